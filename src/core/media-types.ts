/** Media types, as the image-spec and the Sigstore bundle specification write them, and Ashlar's own. */
export const mediaType = {
  index: 'application/vnd.oci.image.index.v1+json',
  manifest: 'application/vnd.oci.image.manifest.v1+json',
  config: 'application/vnd.oci.image.config.v1+json',
  layerGzip: 'application/vnd.oci.image.layer.v1.tar+gzip',
  empty: 'application/vnd.oci.empty.v1+json',
  /** The manifest that holds the release document as its one layer. */
  release: 'application/vnd.ashlar.release.v1',
  releaseDocument: 'application/vnd.ashlar.release.v1+json+gzip',
  /** The manifest of the form that a machine boots. */
  disk: 'application/vnd.ashlar.disk.v1',
  diskRoot: 'application/vnd.ashlar.disk.root.v1.erofs+zstd',
  diskVerity: 'application/vnd.ashlar.disk.verity.v1+zstd',
  diskBoot: 'application/vnd.ashlar.disk.boot.v1.efi+zstd',
  /** What a person's key says a node is to run. */
  assignment: 'application/vnd.ashlar.assignment.v1+json',
  inToto: 'application/vnd.in-toto+json',
  dsse: 'application/vnd.dsse.envelope.v1+json',
  bundle: 'application/vnd.dev.sigstore.bundle.v0.3+json',
} as const

/** Predicate types of the statements that Ashlar makes (in-toto attestation framework). */
export const predicateType = {
  /** "This digest is a release of this image": what `cosign verify` of version 3 reads. */
  signature: 'https://sigstore.dev/cosign/sign/v1',
  provenance: 'https://slsa.dev/provenance/v1',
} as const
