/** A state as a shape, a colour and a word. */
import type { JSX } from "solid-js"
import { shapes, type Tone } from "../src/Words.ts"

export const Mark = (props: { readonly tone: Tone }): JSX.Element => (
  <svg class="mark" data-tone={props.tone} viewBox="0 0 12 12" width="12" height="12" aria-hidden="true">
    <path d={shapes[props.tone]} />
  </svg>
)

export const Said = (props: { readonly tone: Tone; readonly children: JSX.Element }): JSX.Element => (
  <span class="said" data-tone={props.tone}>
    <Mark tone={props.tone} />
    <span>{props.children}</span>
  </span>
)
