import { randomBytes } from 'node:crypto';
import { afterEach, expect, test, vi } from 'vitest';
import { LinkLost } from '../../../src/route/console/answers.ts';
import { AgentLink } from '../../../src/route/console/link.ts';
import { atRoot, start, until, untilGone, type TestConsole } from './support.ts';

const loggedIn = /You have no mail/;
const loggedOut = /You have no mail[^]*web1 login: $/;
const atLogin = [
  /^root\r[^\r]+\r$/,
  /id -un; id -u/,
  /exec \/bin\/sh\r/,
  /RW=\$!\r/,
  /unset HISTFILE PROMPT/,
] as const;

/** What is typed while the agent comes up, and what then must not be typed any more. */
const atAgent = [
  ['the loop that takes it', /while echo /, /\r#\d/],
  ['a piece of it', /\r#\d{3} /, /\|cksum\);/],
  ['the question whether it is whole', /\|cksum\);/, / eval "/],
  ['what runs it', / eval "\$a"\r/, /\r:p /],
  ['the first question to it', /\r:p 1 \d+ \.\r/, /:p 1 [^]*:p 1 /],
] as const;

atRoot.concurrent('a run that is stopped after its login', { timeout: 60_000 }, () => {
  test.each(atLogin)('when %s was typed: it logs out first', async (typed) => {
    const made = start();
    const stop = new AbortController();
    made.host.when('typed', typed, () => setTimeout(() => stop.abort(), 5));
    const session = await made.route.open(stop.signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'interrupted' } });
    await until(
      () => loggedOut.test(made.host.shown),
      () => made.host.shown,
    );
    expect(session.ok ? '' : session.error.access).not.toContain('still have');
    expect(made.host.shown).not.toContain('Login incorrect');
  });

  test.each(atAgent)('when %s was typed: it stops there, and logs out', async (_, typed, never) => {
    const mark = `left${randomBytes(4).toString('hex')}`;
    const made = start({ mark });
    const stop = new AbortController();
    made.host.when('typed', typed, () => stop.abort());
    const session = await made.route.open(stop.signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'interrupted' } });
    expect(session.ok ? '' : session.error.access).not.toContain('open');
    expect(made.host.typed).not.toMatch(never);
    expect(made.host.shown).toMatch(loggedOut);
    await untilGone(mark);
  });

  test('before its password was typed: nothing more is typed', async () => {
    const made = start();
    const stop = new AbortController();
    made.host.when('shown', /Password: $/, () => stop.abort());
    expect(await made.route.open(stop.signal)).toMatchObject({ ok: false });
    expect(made.host.typed).toMatch(/^\r?root\r$/);
  });

  test.each([
    ['unguarded, where no dead-man timer runs yet', /id -un; id -u/, 'nothing ends it by itself'],
    ['guarded, where one runs', /unset HISTFILE PROMPT[^]*echo/, 'a dead-man timer ends it'],
  ])('in a shell that cannot be left: it is said to be open, %s', async (_, typed, words) => {
    const made = start({ times: { quiet: 300 } });
    const stop = new AbortController();
    made.host.when('typed', typed, () => {
      made.host.hold(600_000);
      stop.abort();
    });
    const session = await made.route.open(stop.signal);
    expect(session.ok ? '' : session.error.access).toContain(words);
    expect(made.host.shown).toMatch(loggedIn);
  });

  test('whose line breaks in the shell: it is said to be open', async () => {
    const made = start();
    made.host.when('typed', /exec \/bin\/sh\r/, () => made.host.cut());
    const session = await made.route.open(new AbortController().signal);
    expect(session.ok ? '' : session.error.access).toContain('still have a shell open');
  });
});

atRoot('a shell in which no agent comes up', { timeout: 60_000 }, () => {
  afterEach(() => {
    vi.restoreAllMocks();
  });

  /** Opens where the agent does not come up; says what of the shell that leaves. */
  async function access(made: TestConsole, lost: LinkLost, act: () => void = () => {}) {
    vi.spyOn(AgentLink.prototype, 'start').mockImplementation(async () => {
      act();
      throw lost;
    });
    const session = await made.route.open(new AbortController().signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'connection-lost' } });
    return session.ok ? '' : session.error.access;
  }

  test('is left: the host asks for a login again', async () => {
    const made = start();
    expect(await access(made, new LinkLost('none could be started', false))).not.toContain('open');
    expect(made.host.shown).toMatch(loggedOut);
    expect(made.host.shown).not.toContain('Login incorrect');
  });

  test('or came up the moment it was stopped, is left too', async () => {
    const made = start();
    const stop = new AbortController();
    const real = Reflect.get(AgentLink.prototype, 'start');
    vi.spyOn(AgentLink.prototype, 'start').mockImplementation(async function (this: AgentLink) {
      await real.call(this);
      stop.abort();
    });
    const session = await made.route.open(stop.signal);
    expect(session).toMatchObject({ ok: false, error: { code: 'interrupted' } });
    expect(session.ok ? '' : session.error.access).not.toContain('open');
    expect(made.host.shown).toMatch(loggedOut);
  });

  test('and that cannot be left is said to be open', async () => {
    const made = start({ times: { quiet: 300 } });
    const lost = new LinkLost('none could be started', false);
    expect(await access(made, lost, () => made.host.hold(600_000))).toContain('still have a root');
  });

  test('and that somebody took from us is said to be open; nothing is typed into it', async () => {
    const made = start();
    const typed = (): string => made.host.typed;
    let before = '';
    const lost = new LinkLost('somebody took the console', true);
    expect(await access(made, lost, () => (before = typed()))).toContain('still have a root');
    expect(typed()).toBe(before);
  });

  test('and whose login is over leaves nothing open', async () => {
    const made = start();
    expect(await access(made, new LinkLost('the login is over', true, true))).not.toContain('open');
  });

  test('in the emergency of a boot is left open, and said to be', async () => {
    const asks = `stty -echo; printf 'Give root password for maintenance\\n(or press Control-D to continue): '; read -r p; exec sh -i`;
    const made = start({ command: asks });
    const lost = new LinkLost('none could be started', false);
    expect(await access(made, lost)).toContain('emergency shell on the console was left open');
    expect(made.host.typed).not.toMatch(/\r ?exit\r/);
  });
});
