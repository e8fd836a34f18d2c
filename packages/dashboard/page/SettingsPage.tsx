/** Every setting, the value that is in effect, and where it comes from. Secrets are masked by the node. */
import { createMemo, createResource, createSignal, For, Show, type JSX } from "solid-js"
import { visible } from "../src/Words.ts"
import * as asking from "./asking.ts"

export const SettingsPage = (): JSX.Element => {
  const [all] = createResource(asking.settings)
  const [wanted, setWanted] = createSignal("")
  const [isSetOnly, setIsSetOnly] = createSignal(true)
  const list = () => (all.error === undefined ? all() : undefined) ?? []
  const found = createMemo(() => {
    const word = wanted().trim().toLowerCase()
    return list().filter(
      (one) =>
        (word !== "" || !isSetOnly() || one.sources[0]?.place !== "default") &&
        `${one.key} ${one.environment ?? ""} ${one.description ?? ""}`.toLowerCase().includes(word)
    )
  })
  return (
    <section class="sheet pad settings">
      <div class="actions">
        <h2 class="title">
          Settings <span class="count">{found().length}</span>
        </h2>
        <input
          type="search"
          aria-label="Find a setting"
          placeholder="Find  ( / )"
          onInput={({ currentTarget }) => setWanted(currentTarget.value)}
        />
        <label>
          <input
            type="checkbox"
            checked={isSetOnly()}
            onChange={({ currentTarget }) => setIsSetOnly(currentTarget.checked)}
          />{" "}
          only what somebody has set
        </label>
      </div>
      <div class="scroll" tabindex="0" role="region" aria-label="Settings">
        <table>
          <thead>
            <tr>
              <th scope="col">Key</th>
              <th scope="col">In effect</th>
              <th scope="col">From</th>
            </tr>
          </thead>
          <tbody>
            <For each={found().slice(0, 400)}>
              {(one) => (
                <tr>
                  <th scope="row">
                    <span class="mono">{visible(one.key, 100)}</span>
                    <Show when={one.isHot}>
                      <span class="quiet small"> can change while it runs</span>
                    </Show>
                    <p class="quiet small">{visible(one.description ?? "", 240)}</p>
                  </th>
                  <td class="mono value">{visible(one.value, 160)}</td>
                  <td>
                    <ol class="sources">
                      <For each={one.sources}>
                        {(source) => (
                          <li data-wins={source.wins ? "" : undefined}>
                            <span class="mono">{visible(source.place, 120)}</span>
                            <Show when={!source.wins}>
                              <span class="quiet mono"> {visible(source.value, 60)}</span>
                            </Show>
                          </li>
                        )}
                      </For>
                    </ol>
                  </td>
                </tr>
              )}
            </For>
          </tbody>
        </table>
      </div>
      <Show when={!all.loading && list().length === 0}>
        <p class="quiet">There is no node that could say.</p>
      </Show>
      <Show when={list().length > 0 && found().length === 0}>
        <p class="quiet">Nothing of that name is set; everything has its default.</p>
      </Show>
    </section>
  )
}
