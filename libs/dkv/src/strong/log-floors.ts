/** By group: the place in its log that this node was told of last. No copy below it is shown here again (rule 18). */
import { ByGroup } from '../model/by-group.js';
import { type LogPosition } from '../model/node-messages.js';

/** Nothing was told of the group. */
const NO_FLOOR: LogPosition = Object.freeze({ generation: 0, index: 0 });

export class LogFloors {
  private readonly floors = new ByGroup<{ generation: number; index: number }>();

  of(group: number): LogPosition {
    return this.floors.get(group) ?? NO_FLOOR;
  }

  raise(group: number, { generation, index }: LogPosition): void {
    const floor = this.floors.get(group);
    if (!floor) {
      this.floors.set(group, { generation, index });
    } else if (generation > floor.generation || (generation === floor.generation && index > floor.index)) {
      // In place: one is told with each answer.
      floor.generation = generation;
      floor.index = index;
    }
  }
}
