// Made by `npm run postman` of what /openapi.json says: change the routes, not this.

import type { CheckoutCalls } from "./checkout.ts";
import type { EventsCalls } from "./events.ts";
import type { KeysCalls } from "./keys.ts";
import type { OperationCalls } from "./operation.ts";
import type { OrdersCalls } from "./orders.ts";
import type { PaymentsCalls } from "./payments.ts";
import type { ProductsCalls } from "./products.ts";
import type { ReservationsCalls } from "./reservations.ts";
import type { RulesCalls } from "./rules.ts";
import type { StockCalls } from "./stock.ts";
import type { StoresCalls } from "./stores.ts";
import type { WaitingListCalls } from "./waiting-list.ts";

/** What each call takes and answers. */
export type Calls = CheckoutCalls &
  ReservationsCalls &
  StockCalls &
  ProductsCalls &
  StoresCalls &
  RulesCalls &
  WaitingListCalls &
  PaymentsCalls &
  OrdersCalls &
  EventsCalls &
  OperationCalls &
  KeysCalls;
