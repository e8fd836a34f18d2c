/** Lays graphs out in a thread of its own, so that the page answers meanwhile. */
import { arrange, type Wanted } from "../src/Layout.ts"

onmessage = ({ data }: MessageEvent<{ readonly id: number; readonly wanted: Wanted }>): void => {
  const begun = performance.now()
  const laid = arrange(data.wanted)
  postMessage({ id: data.id, laid, tookMs: performance.now() - begun })
}
