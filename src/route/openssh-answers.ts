import { cleanLine } from '../core/clean.ts';
import type { Secret } from '../core/secret.ts';
import type { AskpassHandler, AskpassQuestion } from './openssh-askpass.ts';
import type { SshTarget } from './target.ts';

/** What is remembered between the logins of one session, so that a person is asked once. */
export type Remembered = Map<string, Secret>;

/** What the answers of one login may use and do besides the target. */
export interface AnswersOptions {
  /** The process id of the client; 0 as long as it is not known. */
  readonly clientId: () => number;
  readonly remembered: Remembered;
  readonly onNotice: (text: string) => void;
  /** Wraps each question to a person, so that time limits can stand still. */
  readonly whileAsking: <T>(ask: () => Promise<T>) => Promise<T>;
  /** Ends the login: the client would answer a question that we refuse with an empty password. */
  readonly giveUp: () => void;
}

/**
 * Answers the questions of the OpenSSH client in one login. A password that is known goes to the host
 * itself only, never to a jump host, and once: a second question for one ends the login, so that a
 * lock-out counter (pam_faillock) is moved by one at the worst.
 */
export class Answers implements AskpassHandler {
  readonly #target: SshTarget;
  readonly #options: AnswersOptions;
  readonly #answered = new Set<string>();
  readonly #notes: string[] = [];
  #sent: string[] = [];

  constructor(target: SshTarget, options: AnswersOptions) {
    this.#target = target;
    this.#options = options;
  }

  /** What a failure text should say about the questions, one sentence each. */
  get notes(): readonly string[] {
    return this.#notes;
  }

  /** True where a password or a code was typed for the host itself. */
  get typed(): boolean {
    return this.#sent.length > 0;
  }

  async answer(question: AskpassQuestion): Promise<Secret | null> {
    const { prompt, kind } = question;
    const text = cleanLine(prompt, 200).trim();
    if (kind === 'confirm' || /\(yes\/no/.test(prompt)) {
      this.#notes.push(`The client asked "${text}", which is not answered here.`);
      return null;
    }
    const key = /^Enter passphrase for key '([^'\n]*)': ?$/.exec(prompt)?.[1];
    if (key !== undefined) {
      return this.#passphrase(key, text);
    }
    const isPin = prompt.startsWith('Enter PIN ');
    const secret = isPin ? await this.#ask(text) : await this.#password(question, text);
    if (secret === null && !isPin) {
      this.#options.giveUp();
    }
    return secret;
  }

  show({ prompt }: AskpassQuestion, gone: Promise<void>): void {
    const { onNotice, whileAsking } = this.#options;
    onNotice(`${cleanLine(prompt, 200).trim()}.`);
    void whileAsking(async () => gone);
  }

  async #passphrase(name: string, text: string): Promise<Secret | null> {
    const { identities, defaultIdentities, jump } = this.#target;
    const files = [
      ...identities,
      ...defaultIdentities,
      ...jump.flatMap((hop) => [...hop.identities, ...hop.defaultIdentities]),
    ];
    // The client cuts the name of a long path (load_identity_file of OpenSSH).
    const file = files.find((one) => Buffer.from(one).subarray(0, 100).toString() === name);
    const secret =
      file === undefined
        ? await this.#ask(text)
        : await this.#remember(text, async () => this.#target.passphrase(file));
    if (secret === null) {
      this.#notes.push(`${cleanLine(name, 200)} needs a passphrase, and none was given.`);
    }
    return secret;
  }

  async #password(question: AskpassQuestion, text: string): Promise<Secret | null> {
    const isOwn = question.parent === this.#options.clientId();
    const isPassword = /password/i.test(text);
    if (/\b(?:new|old|current|retype)\b/i.test(text)) {
      this.#notes.push(`The server wants the password to be changed: "${text}".`);
      return null;
    }
    const asked = `${question.parent} ${isPassword ? 'password' : text}`;
    if (this.#answered.has(asked)) {
      this.#notes.push(
        isPassword
          ? 'The password was typed once, and is not tried again, so that the account is not locked.'
          : `The server asked again: "${text}".`,
      );
      return null;
    }
    this.#answered.add(asked);
    const secret = await this.#find({ text, isOwn, isPassword });
    if (secret === null) {
      this.#notes.push(`The server asked "${text}", and there is no answer.`);
    } else if (isOwn) {
      this.#sent = [...this.#sent, text];
    }
    return secret;
  }

  async #find(about: {
    readonly text: string;
    readonly isOwn: boolean;
    readonly isPassword: boolean;
  }): Promise<Secret | null> {
    const { user, host, password } = this.#target;
    const { text, isOwn, isPassword } = about;
    if (!isPassword) {
      // A code is good for one time only.
      return this.#ask(text);
    }
    if (!isOwn) {
      return this.#remember(text, async () => this.#ask(text));
    }
    return (
      password ?? this.#remember('own', async () => this.#ask(`Password of ${user} on ${host}`))
    );
  }

  async #remember(name: string, ask: () => Promise<Secret | null>): Promise<Secret | null> {
    const { remembered } = this.#options;
    const secret = remembered.get(name) ?? (await this.#options.whileAsking(ask));
    if (secret !== null) {
      remembered.set(name, secret);
    }
    return secret;
  }

  async #ask(prompt: string): Promise<Secret | null> {
    return this.#options.whileAsking(async () => this.#target.askPassword(prompt));
  }
}
