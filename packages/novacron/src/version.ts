/** The version of this program. A test holds that it is the one of its package. */
export const version = "0.1.0"
