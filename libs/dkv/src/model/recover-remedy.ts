/** What messages advise where a node cannot mend its own disk: one text, so that the command is named alike everywhere. */

/**
 * For the end of a message about damage on a disk. `dataDir` is the folder, where the message's author knows it. Rule 12 of
 * the strong mode makes it true: a node that may have forgotten goes on as a new voter.
 */
export function recoverRemedy(dataDir = '<dataDir>'): string {
  return (
    `Check the disk; then, with the node stopped, \`npx -p nestjs-dkv dkv recover --data-dir ${dataDir}\` goes on without ` +
    'what is damaged, and the other nodes bring this one up to date.'
  );
}
