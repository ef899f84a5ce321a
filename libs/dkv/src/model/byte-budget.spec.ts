/** The bound on bytes under way: what does not fit is refused at once, never queued. */
import { expect, it } from 'vitest';
import { caught } from '../../testing/caught.js';
import { ByteBudget } from './byte-budget.js';

const budgetOf = (...taken: number[]): ByteBudget => {
  const budget = new ByteBudget(100, 'Writes under way');
  taken.forEach((bytes) => budget.take(bytes));
  return budget;
};

it.each([
  ['what fills it to the byte', [60], 40],
  ['nothing when it is full', [100], 0],
  ['anything when it is empty, or a value above the bound could never be written', [], 1_000],
])('takes %s', (_, taken, bytes) => {
  const budget = budgetOf(...taken);
  budget.take(bytes);
  expect(budget.usedBytes).toBe(bytes + taken.reduce((sum, each) => sum + each, 0));
});

it.each([
  ['a byte too much', [60], 41],
  ['a byte when it is full', [40, 60], 1],
  ['a second one when the first was larger than the bound', [1_000], 1],
])('refuses %s and stays as it was', (_, taken, bytes) => {
  const budget = budgetOf(...taken);
  const before = budget.usedBytes;
  expect(caught(() => budget.take(bytes)).code).toBe('DKV_OVERLOADED');
  expect(budget.usedBytes).toBe(before);
});

it('takes again what was given back', () => {
  const budget = budgetOf(60, 40);
  budget.release(60);
  budget.take(60);
  budget.release(60);
  budget.release(40);
  expect(budget.usedBytes).toBe(0);
});

it('tells what is full, how full, and the bound', () => {
  expect(caught(() => budgetOf(60).take(50)).message).toMatch(/Writes under way.*60 bytes.*100/);
});
