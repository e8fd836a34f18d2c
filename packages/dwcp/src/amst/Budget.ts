/**
 * The memory that messages may take until somebody has taken them: room for each as a whole, before a byte of it is accepted.
 *
 * **Details**
 *
 * Room is given in the order in which it was asked for, as far as the budget goes; who needs less than the one before may
 * pass it. Half of the budget is the most that one peer has, so that one that announces and never sends does not keep the
 * others waiting.
 */
import * as Spare from "./Spare.ts"

/** Bytes for a message, until they are given back. */
export interface Room {
  readonly bytes: Buffer
  /** Gives it back, once; of `spent` bytes, which nobody looks at any more, the memory is used again. */
  readonly release: (spent: boolean) => void
}

/** Whose room it is: what all of theirs takes together. */
export interface Share {
  reserved: number
}

export interface Claim {
  readonly share: Share
  readonly size: number
  /** Whether nobody waits for it any more. */
  readonly isOver: () => boolean
  readonly onRoom: (room: Room) => void
}

export interface Budget {
  /** Calls back at once, or when there is room. */
  readonly ask: (claim: Claim) => void
  /** Looks who can begin now, and forgets claims that are over. */
  readonly admit: () => void
  /** Brings the time: memory that nobody asks for is let go. */
  readonly tick: (nowMillis: number) => void
  readonly reserved: () => number
}

const mostSpareBytes = 1 << 26

/** `largest`: the size of the largest message, for which there is always room in a share. */
export const make = (bytes: number, largest: number): Budget => {
  const most = Math.max(bytes / 2, largest)
  const spare = Spare.make(Math.min(mostSpareBytes, bytes / 4))
  const waiting: Array<Claim> = []
  let reserved = 0

  const admit = () => {
    for (const claim of waiting.splice(0)) {
      if (claim.isOver()) continue
      const { onRoom, share, size } = claim
      if (reserved + size > bytes || share.reserved + size > most) {
        waiting.push(claim)
        continue
      }
      reserved += size
      share.reserved += size
      onRoom(roomOf(share, size))
    }
  }

  const roomOf = (share: Share, size: number): Room => {
    const taken = spare.take(size)
    let isHeld = true
    const release = (spent: boolean) => {
      if (!isHeld) return
      isHeld = false
      reserved -= size
      share.reserved -= size
      // Before anybody is admitted, who can use it then.
      if (spent) spare.bring(taken)
      admit()
    }
    return { bytes: taken, release }
  }

  return {
    ask: (claim) => {
      waiting.push(claim)
      admit()
    },
    admit,
    tick: spare.tick,
    reserved: () => reserved
  }
}
