import { fail2banBan } from './fail2ban-ban.ts';
import { firewalldPort } from './firewalld-port.ts';
import { hostKeys } from './host-keys.ts';
import { iptablesRule } from './iptables-rule.ts';
import { loginFiles } from './login-files.ts';
import type { Module } from './module.ts';
import { nftRule } from './nft-rule.ts';
import { selinuxPort } from './selinux-port.ts';
import { sshUnit } from './ssh-unit.ts';
import { sshdAdmit } from './sshd-admit.ts';
import { sshdDropIn } from './sshd-drop-in.ts';
import { sshdOption } from './sshd-option.ts';
import { sshdPort } from './sshd-port.ts';
import { sshdSyntax } from './sshd-syntax.ts';
import { ufwRule } from './ufw-rule.ts';

const all: readonly Module[] = [
  fail2banBan,
  firewalldPort,
  hostKeys,
  iptablesRule,
  loginFiles,
  nftRule,
  selinuxPort,
  sshUnit,
  sshdAdmit,
  sshdDropIn,
  sshdOption,
  sshdPort,
  sshdSyntax,
  ufwRule,
];

/** Every module by the name that `uses` takes. */
export const modules: ReadonlyMap<string, Module> = new Map(
  all.map((module) => [module.name, module]),
);
