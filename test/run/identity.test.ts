import { describe, expect, test } from 'vitest';
import type { Endpoint } from '../../src/core/endpoint.ts';
import { FactSet, known, unknown, type Parts } from '../../src/facts/fact.ts';
import { identityFact, type Identity } from '../../src/facts/identity.ts';
import {
  identityRequest,
  isSameHost,
  judgeIdentity,
  wrongHostFailure,
} from '../../src/run/identity.ts';
import { part } from '../facts/support/captured.ts';

const key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey1';
const other = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIKey2';
const rsa = 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABgQKey3';
const found: Identity = {
  name: 'web1',
  publicKeys: [key, rsa],
  addresses: ['10.0.0.7', 'fd00::7'],
};

function endpoint(host: string, address = host): Endpoint {
  return { host, address, port: 22, user: 'root', from: null };
}

function judge(
  to: Endpoint,
  meant: { readonly name?: string; readonly keys?: readonly string[] } = {},
  identity: Partial<Identity> = {},
): string {
  const facts = new FactSet(new Map([[identityRequest.key, known({ ...found, ...identity })]]));
  const { verdict, certain } = judgeIdentity(
    { name: meant.name ?? null, recordedKeys: meant.keys ?? [] },
    facts,
    to,
  );
  return certain || verdict !== 'other' ? verdict : 'other name';
}

describe('the host behind the way in', () => {
  test.each([
    ['has the key on record', endpoint('db', '203.0.113.9'), { keys: [key, rsa] }, 'same'],
    ['has the newer of two keys', endpoint('db', '203.0.113.9'), { keys: [other, key] }, 'same'],
    ['shares one key of two', endpoint('db', '203.0.113.9'), { keys: [rsa, other] }, 'other name'],
    ['has the address', endpoint('10.0.0.7'), {}, 'same'],
    ['has the address, and other keys', endpoint('10.0.0.7'), { keys: [other] }, 'unknown'],
    ['has the IPv6 address', endpoint('db', 'fd00::7'), {}, 'same'],
    ['has the name', endpoint('web1', '203.0.113.9'), {}, 'same'],
    ['has the name, and other keys', endpoint('web1', '203.0.113.9'), { keys: [other] }, 'unknown'],
    [
      'has the first word of the name, of another domain',
      endpoint('web1.example.org', '203.0.113.9'),
      { keys: [other] },
      'other',
      'web1.example.com',
    ],
    ['has the name, in capitals', endpoint('WEB1.example.com', '203.0.113.9'), {}, 'same'],
    [
      'has the name that was said',
      endpoint('203.0.113.9'),
      { name: 'web1', keys: [other] },
      'same',
    ],
    [
      'has not the name that was said',
      endpoint('10.0.0.7'),
      { name: 'web2', keys: [key] },
      'other',
    ],
    ['has no key of those on record', endpoint('203.0.113.9'), { keys: [other] }, 'other'],
    ['is called otherwise', endpoint('db', '203.0.113.9'), {}, 'other name'],
    ['is behind a translated address', endpoint('203.0.113.9'), {}, 'unknown'],
    ['is reached by a forwarded port', endpoint('localhost', '127.0.0.1'), {}, 'unknown'],
  ] as const)('%s', (...[, to, meant, verdict, name = 'web1']) => {
    expect(judge(to, meant, { name })).toBe(verdict);
  });

  test('does not say its name where one was asked for: that is another host', () => {
    const facts = new FactSet(new Map([[identityRequest.key, unknown('no answer')]]));
    const verdict = judgeIdentity({ name: 'web1', recordedKeys: [] }, facts, endpoint('web1'));
    expect(verdict).toMatchObject({ verdict: 'other', certain: true });
  });

  test.each([
    ['as it was', {}, true],
    ['with new keys', { publicKeys: [other] }, true],
    ['with another address', { addresses: ['10.9.9.9'] }, true],
    ['with other keys and addresses', { publicKeys: [other], addresses: ['10.9.9.9'] }, false],
    ['under another name', { name: 'web2' }, false],
  ])('is found again %s', (_, now, same) => {
    expect(isSameHost(known(found), known({ ...found, ...now }))).toBe(same);
    expect(isSameHost(known(found), unknown('no answer'))).toBe(false);
  });

  test('lost its keys: that alone says nothing', () => {
    expect(judge(endpoint('203.0.113.9'), { keys: [other] }, { publicKeys: [] })).toBe('unknown');
  });

  test('says nothing at all', () => {
    const facts = new FactSet(new Map([[identityRequest.key, unknown('no answer')]]));
    expect(judgeIdentity({ name: null, recordedKeys: [key] }, facts, endpoint('db'))).toMatchObject(
      {
        verdict: 'unknown',
        because: 'no answer',
      },
    );
  });

  test('is refused with its name, and with what to say if it is right', () => {
    const verdict = { verdict: 'other', name: 'web1', because: 'why', certain: true } as const;
    expect(wrongHostFailure('db', verdict)).toMatchObject({
      code: 'wrong-host',
      why: 'The host there calls itself web1; why.',
      todo: expect.stringContaining('--host-is web1'),
    });
  });
});

function partsOf(texts: Readonly<Record<string, string>>): Parts {
  return new Map(Object.entries(texts).map(([name, text]) => [name, part(text)]));
}

describe('what a host says of itself', () => {
  const said = {
    name: 'web1\n',
    keys: `${key} root@web1\nnonsense\n${other}\n`,
    addresses: `1: lo    inet 127.0.0.1/8 scope host lo\\       valid_lft forever
2: eth0    inet 10.0.0.7/24 brd 10.0.0.255 scope global eth0\\       valid_lft forever
2: eth0    inet6 fe80::1/64 scope link \\       valid_lft forever\n`,
  };

  test('is read', () => {
    expect(identityFact.parse(partsOf(said), undefined)).toEqual(
      known({ name: 'web1', publicKeys: [key, other], addresses: ['10.0.0.7'] }),
    );
  });

  test('a name that is none is no name; nothing at all is unknown', () => {
    const hostile = identityFact.parse(partsOf({ ...said, name: '\u001b[2J x' }), undefined);
    expect(hostile).toMatchObject({ value: { name: null } });
    expect(identityFact.parse(partsOf({}), undefined).known).toBe(false);
  });
});
