import { facts } from '../facts/index.ts';
import { modules } from '../modules/index.ts';
import type { Registry } from '../playbook/playbook.ts';

/** The modules that `uses` may name and the facts that `when` may name. */
export function registry(): Registry {
  return { modules, facts: new Set(facts.keys()) };
}
