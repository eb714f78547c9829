/** Boots that a new release is given to prove itself. Three: one crash may be chance; systemd's own examples use it. */
export const trialBoots = 3
/** systemd-boot reads a counter into an unsigned number and prints at most this many digits of it. */
export const counterDigitsMax = 6
/** Install numbers stay exact in a double. At one install a second this lasts 31 million years. */
export const installDigitsMax = 15
/** Content of one frame of a blob of the disk form. Larger ones pack a little better, smaller ones let a node fetch less. */
export const frameBytes = 512 * 1024
/** What EROFS, dm-verity and a page of memory agree on. */
export const blockBytes = 4096
/** Of the whole blob. For more than this, one request for all of it is faster than many, and is gone on with after a cut. */
export const updateShareMax = 0.7
