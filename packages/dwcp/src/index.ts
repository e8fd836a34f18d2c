/** DWCP v3, the protocol between nodes: a folder for each of its six subsystems. */
export {}
