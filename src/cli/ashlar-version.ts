import manifest from '../../package.json' with { type: 'json' }

/** The version of this Ashlar. */
export const ashlarVersion: string = manifest.version
