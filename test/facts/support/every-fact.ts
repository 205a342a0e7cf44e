import { request, type FactRequest, type Part } from '../../../src/facts/fact.ts';
import { accountRequest } from '../../../src/facts/accounts.ts';
import { commandsFact } from '../../../src/facts/commands.ts';
import { facts } from '../../../src/facts/index.ts';
import { loginPathRequest } from '../../../src/facts/login-path.ts';
import { loginFilesFact } from '../../../src/facts/login-files.ts';
import { networkFact } from '../../../src/facts/network.ts';
import { runsRequest } from '../../../src/facts/runs.ts';
import { unitsFact } from '../../../src/facts/units.ts';
import { part } from './captured.ts';

/** Every fact there is, those with arguments for a hostile one. */
export const everyFact: readonly FactRequest[] = [
  ...facts.values(),
  accountRequest("ro'ot"),
  runsRequest,
  request(commandsFact, ['gpasswd', 'no-such-tool']),
  loginPathRequest("ro'ot"),
  request(loginFilesFact, "ro'ot"),
  request(networkFact, '192.0.2.7'),
  request(unitsFact, ['ssh.service', "it's"]),
];

/** Every part of a fact with the same text. */
export function answerAll(
  wanted: FactRequest,
  text: string,
  more: Partial<Part> = {},
): Map<string, Part> {
  return new Map(wanted.reads.map((read) => [read.part, part(text, more)]));
}
