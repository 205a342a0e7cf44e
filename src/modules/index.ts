import { fail2banBan } from './fail2ban-ban.ts';
import { firewalldPort } from './firewalld-port.ts';
import { hostKeys } from './host-keys.ts';
import { iptablesRule } from './iptables-rule.ts';
import { loginFiles } from './login-files.ts';
import type { Module } from './module.ts';
import { nftRule } from './nft-rule.ts';
import { sshUnit } from './ssh-unit.ts';
import { ufwRule } from './ufw-rule.ts';

const all: readonly Module[] = [
  fail2banBan,
  firewalldPort,
  hostKeys,
  iptablesRule,
  loginFiles,
  nftRule,
  sshUnit,
  ufwRule,
];

/** Every module by the name that `uses` takes. */
export const modules: ReadonlyMap<string, Module> = new Map(
  all.map((module) => [module.name, module]),
);
