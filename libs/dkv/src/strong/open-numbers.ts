/** Numbers the requests of a process run, and tells the lowest that still waits for its answer. */

export class OpenNumbers {
  /** Whether the numbers from `lowest` on are done. */
  private isDone: boolean[] = [];
  private first = 0;
  private lowestOpen = 1;

  /** The next number, from 1. */
  take(): number {
    this.isDone.push(false);
    return this.lowestOpen + (this.isDone.length - this.first) - 1;
  }

  /** Its caller has an answer, or gave it up: under this number nothing is asked any more. */
  done(number: number): void {
    this.isDone[this.first + number - this.lowestOpen] = true;
    while (this.first < this.isDone.length && this.isDone[this.first]) {
      this.first++;
      this.lowestOpen++;
    }
    if (this.first > 1_024 && this.first * 2 > this.isDone.length) {
      this.isDone = this.isDone.slice(this.first);
      this.first = 0;
    }
  }

  /** Every lower one is done. */
  get lowest(): number {
    return this.lowestOpen;
  }
}
