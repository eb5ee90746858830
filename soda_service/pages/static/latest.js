// @ts-check
// One request at a time: a new one starts after a pause and gives up the one before.

export class Latest {
  /**
   * @param {(signal: AbortSignal) => Promise<void>} run
   * @param {number} pause ms between the last change and the start
   */
  constructor(run, pause) {
    this.run = run;
    this.pause = pause;
    this.control = new AbortController();
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.timer = undefined;
  }

  /** Give up what is going on. */
  stop() {
    clearTimeout(this.timer);
    this.control.abort();
  }

  /** Run after the pause, instead of what is going on. */
  start() {
    this.stop();
    const control = new AbortController();
    this.control = control;
    this.timer = setTimeout(async () => {
      try {
        await this.run(control.signal);
      } catch (error) {
        if (!control.signal.aborted) throw error;
      }
    }, this.pause);
  }
}
