/** distribution-spec, "Pushing Manifests": registries should take at least 4 MiB; more is not a manifest. */
export const manifestBytesMax = 4 * 1024 * 1024
/** The release document, uncompressed: a few KiB in practice; bounds what a hostile gzip can blow up to. */
export const documentBytesMax = 1024 * 1024
/** A Sigstore bundle; provenance of a system, which names some hundred packages, has below 100 KiB. */
export const bundleBytesMax = 256 * 1024
/** Bundles of one release that are looked at; verify has the same limit. */
export const bundlesMax = 256
/** Manifests in a release's index: an image and a disk form for each architecture, and the document. */
export const releaseManifestsMax = 32
/** Manifests that one copy takes along: those of the release and of its evidence. */
export const copiedManifestsMax = 1024
/** Manifests in one index and layers in one manifest (containerd stops at 127 layers). */
export const descriptorsMax = 1024
/** Bytes of a media type (RFC 6838, 4.2: 127 characters each side of the slash). */
export const mediaTypeLengthMax = 255

/** Bytes read at once from a blob's file: large enough that hashing, not the reading, takes the time. */
export const readBytes = 1024 * 1024
/** Files that a check of a store reads at once. */
export const checkedAtOnceMax = 2
/** Blobs that a copy asks for at once whether they are there. */
export const askedAtOnceMax = 8
/** Milliseconds after which what a writer left behind is rubbish, even if its process number is in use again. */
export const leftoverAgeMs = 24 * 60 * 60 * 1000
/** Milliseconds that a writer waits for another one's change of a repository, which takes a few. */
export const lockWaitMs = 10_000
export const lockPollMs = 10

/** Bytes of a registry's error message that are read, and of an answer whose content does not matter. */
export const errorBodyBytesMax = 64 * 1024
/** Redirects that one download follows: registries send to their storage, which may send on once. */
export const redirectsMax = 5
/** Pages of a list that are fetched: at a registry's usual 100 to 1,000 entries a page, more than anyone has. */
export const pagesMax = 100
/** Attempts in a row that bring nothing, before a download is given up: with the waits below, about a minute. */
export const resumesMax = 8
/** Milliseconds before the first of these, doubled each time up to the second. */
export const resumeDelayMs = 250
export const resumeDelayMsMax = 15_000
/** Bytes that make an attempt count as one that brought something; fewer, and a hostile registry could go on for ever. */
export const resumeProgressBytes = 64 * 1024
