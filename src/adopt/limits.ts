/** A larger file is data or a program of its own, which belongs into a package; an image in git stays small. */
export const fileBytesMax = 8 << 20
/** A folder with more is software or data as a whole: what people write themselves into /opt/NAME is less. */
export const treeFilesMax = 500
export const treeBytesMax = 64 << 20
/** ssh's own limit for the connection. */
export const connectSeconds = 20
/** What a system may tell of itself: a large server has 300,000 files, 100 bytes a line. */
export const factsBytesMax = 256 << 20
/** Numbers for system users whose own may be another's in the image; Debian's programs give from 100 upwards and from 999 downwards. */
export const systemUserFirst = 400
/** PATH_MAX of Linux, with its closing NUL. A longer path is none; its folders would be as many times its length. */
export const pathCharactersMax = 4096
