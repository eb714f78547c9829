/** Uploads that are open at once: each holds a file and a hash. */
export const uploadsMax = 256
/**
 * Milliseconds after the last request for an open upload until it makes room: a client that still lives has asked again
 * by then. A request that falls silent is cut by the listener before that.
 */
export const uploadIdleMs = 10 * 60 * 1000
/** Bytes of one blob: several times the largest root image seen (a desktop system, 8 GiB). */
export const blobBytesMax = 32 * 1024 * 1024 * 1024
/** Tags in one answer; a client that asks for more gets a link to the next page. */
export const tagsPageMax = 1_000
/** Tags that one push of a manifest may set. */
export const tagsPerPushMax = 16
/** Characters of a request's path and query: name, digest and two parameters need 600. */
export const urlLengthMax = 4_096
/** Bytes of a refused upload that are still taken off the line: more than lies in the buffers on the way. */
export const drainedBytesMax = 64 * 1024 * 1024
