import { fail, ok, type Result } from '../../core/result.ts';
import type { Secret } from '../../core/secret.ts';
import { LoginAnswers } from './answer-login.ts';
import { armDeadMan, becomeRoot, makePlain } from './become-root.ts';
import { Dialogue, Stop, usualTimes } from './dialogue.ts';
import {
  consoleAsksFailure,
  consoleBusyFailure,
  consoleSilentFailure,
  noConsoleShellFailure,
  notBootedFailure,
  stillOpenWords,
} from './failure.ts';
import { askOwner, enterSh, hasStoppedJobs } from './found-shell.ts';
import { leaveMaintenance, leaveShell, seeLogin } from './leave-shell.ts';
import type { Line } from './line.ts';
import type { ConsoleLogin, ReachedShell, Unopened } from './login.ts';
import type { Waiting } from './prompts.ts';

const maxSteps = 12;
const maxPokes = 3;
const leaveMs = 20_000;

/** Brings a console to a quiet POSIX shell of root that reads the line, whatever it showed at first. */
export async function reachShell(
  line: Line,
  login: ConsoleLogin,
  signal: AbortSignal,
): Promise<Result<ReachedShell, Unopened>> {
  const times = { ...usualTimes, ...login.times };
  const dialogue = new Dialogue(line, { place: login, times, signal });
  const reach = new Reach(dialogue, login);
  try {
    return ok(await reach.shell());
  } catch (error) {
    if (error instanceof Stop) {
      return fail({ failure: error.failure, left: await reach.leave() });
    }
    throw error;
  } finally {
    dialogue.end();
  }
}

class Reach {
  readonly #dialogue: Dialogue;
  readonly #login: ConsoleLogin;
  readonly #answers: LoginAnswers;
  /** A shell of our own login has answered. */
  #isIn = false;
  /** The dead man's switch of the host guards the shell. */
  #isGuarded = false;
  #maintenance = false;
  #interrupted = false;
  #pokes = 0;
  /** Where the screen was when a program was last asked for a sign. */
  #poked = 0;

  constructor(dialogue: Dialogue, login: ConsoleLogin) {
    this.#dialogue = dialogue;
    this.#login = login;
    this.#answers = new LoginAnswers(dialogue, login);
  }

  async shell(): Promise<ReachedShell> {
    const { times } = this.#dialogue;
    let waiting = await this.#dialogue.listen(times.quiet);
    for (let step = 0; step < maxSteps; step += 1) {
      const reached = await this.#step(waiting);
      if (reached !== null) {
        return reached;
      }
      waiting = await this.#dialogue.listen(times.settle);
    }
    throw new Stop(consoleSilentFailure(this.#login, this.#shown(12)));
  }

  /** Logs out where we had logged in and came no further; says so where that is not sure. */
  async leave(): Promise<string | null> {
    const { isRefused, isPasswordTyped } = this.#answers;
    if (isRefused || (!isPasswordTyped && !this.#isIn)) {
      return null;
    }
    // Whoever wants no more of it wants no root shell left open, either.
    this.#dialogue.goOn(leaveMs);
    if (this.#maintenance) {
      return this.#isIn ? leaveMaintenance(this.#dialogue.line) : null;
    }
    const seen = this.#isIn ? 'shell' : await seeLogin(this.#dialogue);
    const isOut = seen === 'shell' ? await leaveShell(this.#dialogue) : seen === 'other';
    return isOut ? null : stillOpenWords(this.#isGuarded);
  }

  /** Does what the console waits for; the shell where it was reached, else null. */
  async #step(waiting: Waiting): Promise<ReachedShell | null> {
    switch (waiting) {
      case 'login':
        await this.#answers.typeUser();
        return null;
      case 'password':
        await this.#typePassword();
        return null;
      case 'maintenance-password':
        this.#maintenance = true;
        await this.#typePassword();
        return null;
      case 'maintenance-enter':
        this.#maintenance = true;
        await this.#dialogue.typeAndWait('\r', this.#dialogue.times.answer);
        return null;
      case 'maintenance-locked':
      case 'initramfs':
      case 'panic':
      case 'bootloader':
      case 'disk':
        throw new Stop(notBootedFailure(waiting, this.#shown(12)));
      case 'code':
      case 'new-password':
        throw new Stop(consoleAsksFailure(this.#login.user, this.#shown(8)));
      case 'pager':
        return this.#leaveProgram();
      case 'shell':
        return this.#tryShell();
      case 'nothing':
        return this.#isDrawn ? this.#leaveProgram() : this.#poke();
    }
  }

  async #typePassword(): Promise<void> {
    // What was shown before it is no reason any more to give up.
    this.#pokes = 0;
    await this.#answers.typePassword(this.#maintenance);
  }

  /** True where an editor or the like answers in place of a shell. */
  get #isDrawn(): boolean {
    const { screen } = this.#dialogue;
    return screen.isDrawn || screen.drewSince(this.#poked);
  }

  /** Ctrl-C once; what is still open after it belongs to somebody. */
  async #leaveProgram(): Promise<null> {
    const { screen, times } = this.#dialogue;
    if (this.#interrupted) {
      throw new Stop(consoleBusyFailure(this.#login, this.#shown(12)));
    }
    this.#interrupted = true;
    await this.#dialogue.typeAndWait('\u0003', 1000);
    await this.#dialogue.listen(times.settle);
    // What ends may clear the screen.
    this.#poked = screen.mark;
    await this.#dialogue.typeAndWait('\r', times.settle);
    await this.#dialogue.listen(times.settle);
    if (this.#isDrawn && this.#dialogue.waiting !== 'shell') {
      throw new Stop(consoleBusyFailure(this.#login, this.#shown(12)));
    }
    return null;
  }

  /**
   * Nothing known is shown: Enter, then Ctrl-C and Enter. Only what then answers by lines alone may be a
   * shell: words of ours would be commands to an editor.
   */
  async #poke(): Promise<ReachedShell | null> {
    const { screen, times } = this.#dialogue;
    if (this.#pokes >= maxPokes) {
      throw new Stop(consoleSilentFailure(this.#login, this.#shown(12)));
    }
    this.#pokes += 1;
    this.#poked = screen.mark;
    if (this.#pokes === 1) {
      await this.#dialogue.typeAndWait('\r', times.answer);
      await this.#dialogue.listen(times.settle * 2);
      return null;
    }
    // Somebody may have stopped the line (Ctrl-S). Not sooner: a getty takes XON for a letter of a name.
    await this.#dialogue.typeAndWait('\u0011\u0003', 500);
    await this.#dialogue.typeAndWait('\r', times.answer / 2);
    const waiting = await this.#dialogue.listen(times.settle * 2);
    return waiting === 'nothing' && !this.#isDrawn ? this.#tryShell() : null;
  }

  /** Asks for an answer that only a shell gives; null where none came. */
  async #tryShell(): Promise<ReachedShell | null> {
    const { line, times } = this.#dialogue;
    const adopted = !this.#answers.isPasswordTyped;
    if (adopted && this.#isDrawn) {
      return this.#leaveProgram();
    }
    const owner = await askOwner(this.#dialogue);
    if (owner === null) {
      if (this.#answers.isPasswordTyped && this.#dialogue.waiting === 'nothing') {
        throw new Stop(noConsoleShellFailure(this.#login.user, this.#shown(8)));
      }
      return this.#dialogue.waiting === 'shell' ? this.#leaveProgram() : null;
    }
    this.#dialogue.isOurs = true;
    this.#isIn = this.#answers.isPasswordTyped;
    if (adopted && (await hasStoppedJobs(this.#dialogue))) {
      throw new Stop(consoleBusyFailure(this.#login, this.#shown(8)));
    }
    const isRoot = owner.uid === '0';
    if (adopted && owner.name !== this.#login.user && !isRoot) {
      // Somebody else's login, left open.
      line.type('exit\r');
      await this.#dialogue.listen(times.quiet);
      return null;
    }
    await enterSh(this.#dialogue, this.#login.user);
    // From here on it must not stay open without us.
    this.#isIn = true;
    if (isRoot) {
      await this.#guard();
    }
    await makePlain(this.#dialogue);
    const elevation = isRoot
      ? 'root'
      : await becomeRoot(this.#dialogue, async () => this.#sudoPassword());
    if (!isRoot) {
      await this.#guard();
    }
    return { elevation, adopted, maintenance: this.#maintenance, guarded: this.#isGuarded };
  }

  async #guard(): Promise<void> {
    if (!this.#maintenance) {
      this.#isGuarded = await armDeadMan(this.#dialogue, this.#login.deadManSeconds);
    }
  }

  async #sudoPassword(): Promise<Secret | null> {
    const { sudoPassword, onSecret } = this.#login;
    if (sudoPassword === null) {
      return this.#answers.password('sudo password at the console');
    }
    onSecret(sudoPassword);
    return sudoPassword;
  }

  #shown(lines: number): string {
    return this.#dialogue.screen.shown(lines);
  }
}
