/** From what the kernel counted of a connection to a sample of the link, and whether there is hardware for RDMA. */
import { Effect, FileSystem } from "effect"
import type * as Tcp from "../acp/Tcp.ts"
import type { Sample } from "./Detector.ts"

/** What a connection says of its link between two looks; the first look has no `before`. */
export const sampleOf = (now: Tcp.Sample, before?: Tcp.Sample): Sample => {
  const segments = now.segmentsOut - (before?.segmentsOut ?? 0)
  const lost = now.retransmits - (before?.retransmits ?? 0)
  return {
    ...(now.srttMicros > 0 ? { rttMillis: now.srttMicros / 1_000, jitterMillis: now.rttVarMicros / 1_000 } : {}),
    ...(now.deliveryRate > 0 ? { throughput: now.deliveryRate * 8, appLimited: now.appLimited } : {}),
    // Fewer segments than this say nothing of a loss of one in a hundred.
    ...(segments >= 100 ? { loss: Math.min(1, Math.max(0, lost / segments)) } : {})
  }
}

/** Several connections over one link, as one sample: the middle round trip, the sum of what they carry. */
export const together = (samples: ReadonlyArray<Sample>): Sample => {
  const of = (field: "rttMillis" | "jitterMillis" | "throughput" | "loss") =>
    samples.flatMap((sample) => sample[field] ?? [])
  const rtts = of("rttMillis").toSorted((a, b) => a - b)
  const jitters = of("jitterMillis").toSorted((a, b) => a - b)
  const losses = of("loss")
  const carried = of("throughput")
  const sum = (values: ReadonlyArray<number>) => values.reduce((total, value) => total + value, 0)
  return {
    ...(rtts.length > 0 ? { rttMillis: rtts[rtts.length >> 1]! } : {}),
    ...(jitters.length > 0 ? { jitterMillis: jitters[jitters.length >> 1]! } : {}),
    ...(carried.length > 0
      ? { throughput: sum(carried), appLimited: samples.some(({ appLimited }) => appLimited === true) }
      : {}),
    ...(losses.length > 0 ? { loss: sum(losses) / losses.length } : {})
  }
}

/** Devices for RDMA that this machine has; none where the kernel lists none. */
export const rdmaDevices = (folder = "/sys/class/infiniband") =>
  Effect.gen(function* () {
    const files = yield* FileSystem.FileSystem
    return yield* files.readDirectory(folder).pipe(Effect.orElseSucceed((): Array<string> => []))
  })
