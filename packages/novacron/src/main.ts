#!/usr/bin/env node
/**
 * The entry of the process, with all commands.
 *
 *     node packages/novacron/src/main.ts boot
 */
import { novacron } from "./Cli.ts"
import { run } from "./CommandLine.ts"

run(novacron)
