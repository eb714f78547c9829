/** An assignment's place in its node's order: a higher epoch wins, then a higher number. */
export interface Order {
  readonly epoch: number
  readonly number: number
}

export function isHigher(order: Order, than: Order): boolean {
  return order.epoch > than.epoch || (order.epoch === than.epoch && order.number > than.number)
}
