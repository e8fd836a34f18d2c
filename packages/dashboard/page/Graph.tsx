/**
 * The components and who needs whom, with what each is doing now. Drawn by hand as SVG: what is in view when it is near,
 * a path for each tone when it is far, so that a thousand components move as easily as ten.
 */
import { createEffect, createMemo, createSignal, For, on, onCleanup, onMount, Show, type JSX } from "solid-js"
import { box, type Laid } from "../src/Picture.ts"
import { duration, shapes, toneOf, visible, type Tone } from "../src/Words.ts"
import { Detail } from "./Detail.tsx"
import { nowMs, report } from "./live.ts"
import { select, selected } from "./view.ts"

/** How the picture lies behind the window: a point of it times `k`, plus `x` and `y`. */
interface Lens {
  readonly k: number
  readonly x: number
  readonly y: number
}

/** Below this nobody can read a name. */
const far = 0.36

export const Graph = (): JSX.Element => (
  <div class="split">
    <Show when={report().components.length > 0} fallback={<p class="quiet pad">The boot has not begun yet.</p>}>
      <Picture />
    </Show>
    <Detail />
  </div>
)

const Picture = (): JSX.Element => {
  const components = createMemo(() => report().components.filter(({ name }) => !name.includes("/")))
  const names = createMemo(() => components().map(({ name }) => name), [], { equals: isSame })
  const indexOf = createMemo(() => new Map(names().map((name, i) => [name, i])))
  const [laid, setLaid] = createSignal<Laid | undefined>()
  const [size, setSize] = createSignal({ width: 0, height: 0 })
  const [lens, setLens] = createSignal<Lens>({ k: 1, x: 0, y: 0 })
  const [isMine, setIsMine] = createSignal(false)
  const [focused, setFocused] = createSignal(0)
  let svg: SVGSVGElement | undefined

  // ------------------------------------------------------------------------------------------------------ the layout

  const worker = new Worker(new URL("./layout.worker.ts", import.meta.url), { type: "module" })
  let asked = 0
  let askedAt = 0
  worker.onmessage = ({ data }: MessageEvent<{ readonly id: number; readonly laid: Laid }>) => {
    if (data.id !== asked) return
    setLaid(data.laid)
    // From the wish to the picture, for benchmarks and whoever looks into the tools of the browser.
    requestAnimationFrame(() => performance.measure("novacron-layout", { start: askedAt, end: performance.now() }))
  }
  onCleanup(() => worker.terminate())
  const shape = createMemo(() => (size().width === 0 ? "none" : size().width > size().height ? "wide" : "tall"))
  createEffect(
    on([names, shape], () => {
      const { height, width } = size()
      if (width === 0) return
      const known = indexOf()
      const needs = components().map((one) => one.needs.flatMap((need) => known.get(need) ?? []))
      askedAt = performance.now()
      worker.postMessage({ id: ++asked, wanted: { needs, aspect: width / Math.max(1, height) } })
    })
  )

  // -------------------------------------------------------------------------------------------------------- the lens

  const fitted = createMemo((): Lens => {
    const it = laid()
    const { height, width } = size()
    if (it === undefined || width === 0) return { k: 1, x: 0, y: 0 }
    const k = Math.min(1.15, (width - 48) / Math.max(1, it.width), (height - 48) / Math.max(1, it.height))
    return { k, x: (width - it.width * k) / 2, y: (height - it.height * k) / 2 }
  })
  createEffect(() => {
    if (!isMine()) setLens(fitted())
  })
  const look = (next: Lens): void => {
    setIsMine(true)
    setLens(next)
  }
  const zoom = (factor: number, atX = size().width / 2, atY = size().height / 2): void => {
    const { k, x, y } = lens()
    const next = Math.min(2.5, Math.max(Math.min(0.02, fitted().k), k * factor))
    look({ k: next, x: atX - ((atX - x) * next) / k, y: atY - ((atY - y) * next) / k })
  }
  /** Moves to where a component can be seen and read, if it cannot now. */
  const bringIn = (i: number): void => {
    const it = laid()
    if (it === undefined || size().width === 0) return
    const at = lens()
    const [left, top] = [(it.x[i] ?? 0) * at.k + at.x, (it.y[i] ?? 0) * at.k + at.y]
    const isIn =
      left > 0 && top > 0 && left + box.width * at.k < size().width && top + box.height * at.k < size().height
    if (isIn && at.k >= far) return
    const k = Math.max(at.k, 0.75)
    look({
      k,
      x: size().width / 2 - ((it.x[i] ?? 0) + box.width / 2) * k,
      y: size().height / 2 - ((it.y[i] ?? 0) + box.height / 2) * k
    })
  }

  onMount(() => {
    if (svg === undefined) return
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height })
    })
    observer.observe(svg)
    const wheel = (event: WheelEvent): void => {
      event.preventDefault()
      const { left, top } = svg?.getBoundingClientRect() ?? { left: 0, top: 0 }
      zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - left, event.clientY - top)
    }
    svg.addEventListener("wheel", wheel, { passive: false })
    addEventListener("keydown", keys)
    onCleanup(() => {
      observer.disconnect()
      removeEventListener("keydown", keys)
    })
  })

  const keys = ({ key, target }: KeyboardEvent): void => {
    if (target instanceof HTMLInputElement) return
    if (key === "+" || key === "=") zoom(1.3)
    else if (key === "-") zoom(1 / 1.3)
    else if (key === "0") setIsMine(false)
  }

  /** Fingers and buttons that are down, where they were last. */
  const pointers = new Map<number, { readonly x: number; readonly y: number }>()
  const press = (event: PointerEvent): void => {
    pointers.set(event.pointerId, { x: event.clientX, y: event.clientY })
  }
  const move = (event: PointerEvent): void => {
    const before = pointers.get(event.pointerId)
    if (before === undefined) return
    const now = { x: event.clientX, y: event.clientY }
    const [dx, dy] = [now.x - before.x, now.y - before.y]
    if (pointers.size === 1 && Math.abs(dx) + Math.abs(dy) < 3 && svg?.hasPointerCapture(event.pointerId) !== true)
      return
    // Taken only when it moves: a click is to reach the box.
    svg?.setPointerCapture(event.pointerId)
    pointers.set(event.pointerId, now)
    const other = [...pointers].find(([id]) => id !== event.pointerId)?.[1]
    if (other === undefined) return look({ ...lens(), x: lens().x + dx, y: lens().y + dy })
    const { left, top } = svg?.getBoundingClientRect() ?? { left: 0, top: 0 }
    const apart = (a: typeof now) => Math.hypot(a.x - other.x, a.y - other.y)
    zoom(apart(now) / Math.max(1, apart(before)), (now.x + other.x) / 2 - left, (now.y + other.y) / 2 - top)
  }
  const release = (event: PointerEvent): void => void pointers.delete(event.pointerId)

  // ----------------------------------------------------------------------------------------------------- what is seen

  const isFar = createMemo(() => lens().k < far)
  const inView = createMemo(
    (): ReadonlyArray<number> => {
      const it = laid()
      if (it === undefined || isFar()) return []
      const { k, x, y } = lens()
      const { height, width } = size()
      // A margin, so that not every step of a movement changes what is there.
      const [left, right] = [(-x - 200) / k - box.width, (width - x + 200) / k]
      const [top, bottom] = [(-y - 200) / k - box.height, (height - y + 200) / k]
      return it.x.flatMap((at, i) => {
        const down = it.y[i] ?? 0
        return at > left && at < right && down > top && down < bottom ? [i] : []
      })
    },
    [],
    { equals: isSame }
  )
  /** From afar all of them, as straight lines; near by those that lead to or from a box that can be seen. */
  const edges = createMemo(() => {
    const it = laid()
    if (it === undefined) return ""
    if (isFar()) return it.edges.map(({ from, to }) => `M${middle(it, from)}L${middle(it, to)}`).join("")
    const seen = new Set(inView())
    return drawn(it.edges.filter(({ from, to }) => seen.has(from) || seen.has(to)))
  })
  const blocks = createMemo((): ReadonlyArray<readonly [Tone, string]> => {
    const it = laid()
    if (it === undefined || !isFar()) return []
    const paths = new Map<Tone, string>()
    components().forEach(({ state }, i) => {
      const tone = toneOf(state)
      paths.set(
        tone,
        `${paths.get(tone) ?? ""}M${it.x[i] ?? 0} ${it.y[i] ?? 0}h${box.width}v${box.height}h-${box.width}z`
      )
    })
    return [...paths]
  })
  const critical = createMemo(() => new Set(report().criticalPath))
  const criticalEdges = createMemo(() => {
    const path = report().criticalPath
    const steps = new Set(path.slice(1).map((name, i) => `${indexOf().get(path[i] ?? "")} ${indexOf().get(name)}`))
    return laid()?.edges.filter(({ from, to }) => steps.has(`${from} ${to}`)) ?? []
  })
  const near = createMemo(() => {
    const it = laid()
    const i = indexOf().get(selected() ?? "")
    if (it === undefined || i === undefined) return undefined
    const one = components()[i]
    const needs = one?.needs.flatMap((need) => indexOf().get(need) ?? []) ?? []
    const dependents = components().flatMap(({ needs: theirs }, j) =>
      one !== undefined && theirs.includes(one.name) ? [j] : []
    )
    const known = new Map(it.edges.map(({ from, path, to }) => [`${from} ${to}`, path]))
    const path = (from: number, to: number) => known.get(`${from} ${to}`) ?? straight(it, from, to)
    return {
      around: new Set([i, ...needs, ...dependents]),
      path: [...needs.map((need) => path(need, i)), ...dependents.map((other) => path(i, other))].join("")
    }
  })

  const neighbour = (i: number, key: string): number | undefined => {
    const it = laid()
    const direction = directions[key]
    if (it === undefined || direction === undefined) return undefined
    let best: { readonly i: number; readonly cost: number } | undefined
    for (let j = 0; j < it.x.length; j++) {
      const [dx, dy] = [(it.x[j] ?? 0) - (it.x[i] ?? 0), (it.y[j] ?? 0) - (it.y[i] ?? 0)]
      const along = dx * direction[0] + dy * direction[1]
      if (j === i || along <= 1) continue
      const cost = along + 2.5 * Math.abs(dx * direction[1] + dy * direction[0])
      if (best === undefined || cost < best.cost) best = { i: j, cost }
    }
    return best?.i
  }
  const walk = (event: KeyboardEvent, i: number): void => {
    if (event.key === "Enter" || event.key === " ") select(names()[i])
    else {
      const next = neighbour(i, event.key)
      if (next === undefined) return
      setFocused(next)
      bringIn(next)
      queueMicrotask(() => svg?.querySelector<SVGGElement>(`[data-i="${next}"]`)?.focus())
    }
    event.preventDefault()
  }
  createEffect(
    on([selected, laid], () => {
      const i = indexOf().get(selected() ?? "")
      if (i === undefined) return
      setFocused(i)
      bringIn(i)
    })
  )

  return (
    <div class="picture">
      <svg
        ref={(it) => (svg = it)}
        class="graph"
        role="group"
        aria-label={`Graph of ${names().length} components`}
        data-laid={laid() === undefined ? undefined : names().length}
        onPointerDown={press}
        onPointerMove={move}
        onPointerUp={release}
        onPointerCancel={release}
        onClick={({ target }) => {
          if (target === svg) select(undefined)
        }}
      >
        <g
          transform={`translate(${lens().x} ${lens().y}) scale(${lens().k})`}
          data-dim={near() === undefined ? undefined : ""}
        >
          <path class="edges" stroke-width={(isFar() ? 0.5 : 1.2) / lens().k} d={edges()} />
          <path class="edges critical" stroke-width={1.8 / lens().k} d={drawn(criticalEdges())} />
          <path class="edges near" stroke-width={1.8 / lens().k} d={near()?.path ?? ""} />
          <For each={blocks()}>{([tone, path]) => <path class="blocks" data-tone={tone} d={path} />}</For>
          <For each={inView()}>
            {(i) => (
              <Box
                i={i}
                x={laid()?.x[i] ?? 0}
                y={laid()?.y[i] ?? 0}
                component={components()[i]}
                isCritical={critical().has(names()[i] ?? "")}
                isSelected={selected() === names()[i]}
                isNear={near()?.around.has(i) === true}
                isFirst={focused() === i}
                onKey={walk}
              />
            )}
          </For>
        </g>
      </svg>
      <div class="zoom">
        <button type="button" class="icon" aria-label="Larger" onClick={() => zoom(1.3)}>
          +
        </button>
        <button type="button" class="icon" aria-label="Smaller" onClick={() => zoom(1 / 1.3)}>
          −
        </button>
        <button type="button" class="icon wide" aria-label="All of it" onClick={() => setIsMine(false)}>
          all
        </button>
      </div>
    </div>
  )
}

const isSame = <A,>(a: ReadonlyArray<A>, b: ReadonlyArray<A>): boolean =>
  a.length === b.length && a.every((one, i) => one === b[i])

const drawn = (edges: Laid["edges"]): string => edges.map(({ path }) => path).join("")

const middle = ({ x, y }: Laid, i: number): string =>
  `${Math.round((x[i] ?? 0) + box.width / 2)} ${Math.round((y[i] ?? 0) + box.height / 2)}`

const directions: { readonly [key: string]: readonly [number, number] | undefined } = {
  ArrowLeft: [-1, 0],
  ArrowRight: [1, 0],
  ArrowUp: [0, -1],
  ArrowDown: [0, 1]
}

/** An edge that the picture leaves out, drawn while its component is selected. */
const straight = ({ direction, x, y }: Laid, from: number, to: number): string => {
  const isDown = direction === "down"
  const [ax, ay] = [
    (x[from] ?? 0) + (isDown ? box.width / 2 : box.width),
    (y[from] ?? 0) + (isDown ? box.height : box.height / 2)
  ]
  const [bx, by] = [(x[to] ?? 0) + (isDown ? box.width / 2 : 0), (y[to] ?? 0) + (isDown ? 0 : box.height / 2)]
  const bend = isDown ? [ax, (ay + by) / 2, bx, (ay + by) / 2] : [(ax + bx) / 2, ay, (ax + bx) / 2, by]
  return `M${ax} ${ay}C${bend.join(" ")} ${bx} ${by}`
}

// ------------------------------------------------------------------------------------------------------------- a box

/** As many letters of a name as there is room for. */
const letters = 18

type Component = ReturnType<typeof report>["components"][number]

const Box = (props: {
  readonly i: number
  readonly x: number
  readonly y: number
  readonly component: Component | undefined
  readonly isCritical: boolean
  readonly isSelected: boolean
  readonly isNear: boolean
  readonly isFirst: boolean
  readonly onKey: (event: KeyboardEvent, i: number) => void
}): JSX.Element => {
  const tone = createMemo(() => toneOf(props.component?.state ?? "waiting"))
  const name = () => props.component?.name ?? ""
  const words = createMemo(() => (props.component === undefined ? "" : doing(props.component)))
  return (
    <g
      class="box"
      data-i={props.i}
      data-tone={tone()}
      data-near={props.isNear ? "" : undefined}
      data-critical={props.isCritical ? "" : undefined}
      data-selected={props.isSelected ? "" : undefined}
      transform={`translate(${props.x} ${props.y})`}
      role="button"
      tabindex={props.isFirst ? 0 : -1}
      aria-pressed={props.isSelected}
      onClick={() => select(props.isSelected ? undefined : name())}
      onKeyDown={(event) => props.onKey(event, props.i)}
    >
      <Show when={name().length > letters}>
        <title>{visible(name(), 200)}</title>
      </Show>
      <rect width={box.width} height={box.height} rx="7" />
      <path class="sign" transform="translate(10 9.5)" d={shapes[tone()]} />
      {/* One text with a space in it: that is how it is read out. */}
      <text>
        <tspan x="29" y="19.5" class="name">
          {visible(name(), letters)}
        </tspan>{" "}
        <tspan x="29" y="35.5" class="state">
          {visible(words(), 23)}
        </tspan>
      </text>
    </g>
  )
}

/** What it is doing, short enough for its box. */
const doing = ({ attempts, backoffMs, fallback, needs, runningMs, state, startedAtMs }: Component): string => {
  if (state === "ready") return `ready in ${duration(runningMs + backoffMs)}`
  if (state === "degraded") return fallback === null ? state : `on ${fallback}`
  if (state === "backoff") return `try ${attempts.length + 1} comes soon`
  if (state === "waiting") {
    const need = needs.find((one) => !isUp(one))
    return need === undefined ? state : `waits for ${need}`
  }
  if (state !== "running" || startedAtMs === null) return state
  return `starting ${duration(nowMs() - (attempts.at(-1)?.startedAtMs ?? startedAtMs))}`
}

const isUp = (name: string): boolean => {
  const state = report().components.find((one) => one.name === name)?.state
  return state === "ready" || state === "degraded"
}
