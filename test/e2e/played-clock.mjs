/** Loaded before a node (`node --import`): its wall clock is off by `PLAYED_CLOCK_MS`, as one that nobody sets. */
const { now } = Date;
const offMs = Number(process.env.PLAYED_CLOCK_MS);

Date.now = () => now() + offMs;
