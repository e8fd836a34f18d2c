/** Lays graphs out in a thread of its own, so that the page answers meanwhile. */
import { arrange, type Wanted } from "../src/Layout.ts"

onmessage = ({ data }: MessageEvent<{ readonly id: number; readonly wanted: Wanted }>): void => {
  postMessage({ id: data.id, laid: arrange(data.wanted) })
}
