/** Measures time without the time that people take to answer. */
export class Stopwatch {
  #countedMs = 0;
  #since: number | null = performance.now();
  #questions = 0;
  #wake: () => void = () => {};

  /** Stands still while `ask` runs. */
  async without<T>(ask: () => Promise<T>): Promise<T> {
    this.#questions += 1;
    this.#countedMs = this.#elapsedMs();
    this.#since = null;
    this.#wake();
    try {
      return await ask();
    } finally {
      this.#questions -= 1;
      if (this.#questions === 0) {
        this.#since = performance.now();
      }
      this.#wake();
    }
  }

  /** Settles when this many milliseconds were counted, or at the abort. */
  async reaches(limitMs: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined;
      const stop = (): void => {
        clearTimeout(timer);
        this.#wake = () => {};
        signal.removeEventListener('abort', stop);
        resolve();
      };
      const look = (): void => {
        clearTimeout(timer);
        const leftMs = limitMs - this.#elapsedMs();
        if (leftMs <= 0) {
          stop();
        } else if (this.#since !== null) {
          timer = setTimeout(look, leftMs);
        }
      };
      this.#wake = look;
      signal.addEventListener('abort', stop, { once: true });
      look();
      if (signal.aborted) {
        stop();
      }
    });
  }

  #elapsedMs(): number {
    return this.#countedMs + (this.#since === null ? 0 : performance.now() - this.#since);
  }
}
