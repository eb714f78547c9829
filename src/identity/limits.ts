const dayMs = 24 * 3_600_000

/** Times in milliseconds unless the name says otherwise. */
export const limits = {
  /** From making a node's credential to its end; one is made for each request. */
  credentialSecondsMax: 60,
  /** How far the clocks of node and server may be apart, in either direction. */
  clockSkewSecondsMax: 60,
  /** Ours have about 400 characters. */
  credentialCharactersMax: 2_048,
  /** Requests that one node may make while its credentials live: two minutes at eight a second. A loud node locks out itself alone. */
  credentialsPerNodeMax: 1_024,
  /** Ours have about 300 characters. */
  enrolmentCharactersMax: 4_096,
  /** Nodes pin the authority; replacing it means enrolling them again. */
  authorityMs: 3_653 * dayMs,
  /**
   * The key lies beside the authority's own, so a short life would protect against no thief; an expired certificate
   * would cut off every node. 825 days, the backdated one included, is the most that common TLS clients accept from
   * a private authority.
   */
  serverCertificateMs: 824 * dayMs,
  /** Half of the life is left for a server that is seldom restarted. */
  renewalBeforeMs: 412 * dayMs,
  /** A client whose clock is behind must not find the certificate "not yet valid". */
  backdatedMs: dayMs,
} as const
