// Layers as tar archives have them, and the EROFS image that they make together.
export {
  type Contents,
  contentsBytes,
  type ImageLayer,
  type ImageLayout,
  imageBytes,
  imageSize,
  layOutImage,
  treeOf,
} from './image-file.ts'
export type { ImageTree } from './image-tree.ts'
export { type Difference, differencesOf } from './layer-difference.ts'
export { type LayerEntry, readLayerTar } from './layer-tar.ts'
