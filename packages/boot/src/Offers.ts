/**
 * The services of a boot as the map that a `Context` is made of: each by its own key, and for whoever can do without it as
 * an option and for late lookup, under the keys that are derived from its own.
 *
 * **Details**
 *
 * What is behind derived keys is made when somebody asks: most boots are never asked, and two more entries for each
 * component cost a large boot a tenth of its memory. They can be asked for from the beginning and answer as of now. To
 * copy the map, as merging contexts does, is to ask for all of them.
 */
import type { Option } from "effect"
import * as Recipe from "./Recipe.ts"

/** Where the answers come from. */
export interface Source {
  /** The services that are up, by key. */
  readonly byKey: ReadonlyMap<string, unknown>
  /** All keys that are provided in this environment, now or later. */
  readonly provided: {
    readonly size: number
    readonly has: (key: string) => boolean
    readonly keys: () => Iterable<string>
  }
  /** The service of a key, if the component that provides it is up. */
  readonly find: (key: string) => Option.Option<unknown>
  /** Finds it when it runs. */
  readonly lookup: (key: string) => Recipe.Lookup
}

/** Changes with its source; nobody changes it. */
export class Offers implements ReadonlyMap<string, unknown> {
  private readonly source: Source

  constructor(source: Source) {
    this.source = source
  }

  get(key: string): unknown {
    const service = this.source.byKey.get(key)
    return service === undefined ? this.derived(key) : service
  }

  has(key: string): boolean {
    return this.source.byKey.has(key) || this.derived(key) !== undefined
  }

  get size(): number {
    return this.source.byKey.size + 2 * this.source.provided.size
  }

  forEach(each: (service: unknown, key: string, map: ReadonlyMap<string, unknown>) => void): void {
    for (const [key, service] of this) each(service, key, this)
  }

  entries(): MapIterator<[string, unknown]> {
    return this.whole().entries()
  }

  keys(): MapIterator<string> {
    return this.whole().keys()
  }

  values(): MapIterator<unknown> {
    return this.whole().values()
  }

  [Symbol.iterator](): MapIterator<[string, unknown]> {
    return this.entries()
  }

  /** Nobody can ask by a derived key that nobody has derived. */
  private derived(id: string): unknown {
    const need = Recipe.softNeed(id)
    if (need === undefined || !this.source.provided.has(need.key)) return undefined
    return need.kind === "late" ? this.source.lookup(need.key) : this.source.find(need.key)
  }

  private whole(): Map<string, unknown> {
    const all = new Map(this.source.byKey)
    for (const key of this.source.provided.keys()) {
      Recipe.complete(all, key, this.source.find(key), this.source.lookup(key))
    }
    return all
  }
}
