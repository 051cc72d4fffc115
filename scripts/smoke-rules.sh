# The part of smoke with the rules of a sale, and what happens to a reservation and an order afterwards: all of
# it with $vinyl, of which there are 6 in $store.

vinyl=smoke-$run-vinyl
count_units "$vinyl" "$store" 6
rules="/v1/rules/$vinyl"

step "the rules of a sale limit it at once"
ask PUT "$rules" '{"maxPerOrder":3,"maxHoldSeconds":900,"maxExtensions":1}'
want 202
is .maxPerOrder 3
version=$(value .version)
ask GET "$rules"
want 200
is .maxHoldSeconds 900 .version "$version"
ask POST /v1/reservations "{\"storeId\":\"$store\",\"lines\":[{\"sku\":\"$vinyl\",\"qty\":4}]}"
want 409 LIMIT_EXCEEDED
is .rule maxPerOrder .limit 3 .left 3
ask PUT "$rules" '{"paused":true}' "If-Match: \"$version\""
want 202
ask POST /v1/purchase "{\"sku\":\"$vinyl\",\"qty\":1}"
want 409 SALE_PAUSED
ask PUT "$rules" '{"maxPerOrder":1}' "If-Match: \"$version\""
want 409 VERSION_CONFLICT
ask PUT "$rules" '{"maxPerOrder":6,"maxHoldSeconds":900,"maxExtensions":1}'
want 202
units_are "$vinyl" "$store" 6 0

step "a reservation gets more time, as often as it may"
reserve "$vinyl" 2 ',"ttlSeconds":60'
ask POST "/v1/reservations/$id:extend" '{"ttlSeconds":600}'
want 202
is .extensionsLeft 0
until=$(value .expiresAt)
ask POST "/v1/reservations/$id:extend" '{"ttlSeconds":600}' "Idempotency-Key: $key"
want 202
has Idempotent-Replayed true
is .expiresAt "$until"
ask POST "/v1/reservations/$id:extend" '{"ttlSeconds":900}'
want 409 LIMIT_EXCEEDED
ask GET "/v1/reservations/$id"
want 200
is .status CREATED .expiresAt "$until"

step "its units change, up to what there is and down to none"
ask PATCH "/v1/reservations/$id" "{\"lines\":[{\"sku\":\"$vinyl\",\"qty\":5}]}" 'If-Match: "2"'
want 202
is '.lines[0].qty' 5 .expiresAt "$until" .version 3
units_are "$vinyl" "$store" 1 5
ask PATCH "/v1/reservations/$id" "{\"lines\":[{\"sku\":\"$vinyl\",\"qty\":1}]}" 'If-Match: "2"'
want 409 VERSION_CONFLICT
ask PATCH "/v1/reservations/$id" "{\"lines\":[{\"sku\":\"$vinyl\",\"qty\":0}]}"
want 202
is .status CANCELLED
units_are "$vinyl" "$store" 6 0

step "who waits is offered what comes back, before anybody else gets it"
reserve "$vinyl" 6
wait_for() { # CUSTOMER
  ask POST /v1/waitlist \
    "{\"storeId\":\"$store\",\"sku\":\"$vinyl\",\"qty\":2,\"customerId\":\"$1\",\"offerSeconds\":60}"
  want 202
  is .status WAITING .position "$2"
}
wait_for "$customer-first" 1
first=$(value .waiterId)
wait_for "$customer-second" 2
second=$(value .waiterId)
ask DELETE "/v1/waitlist/$second"
want 202
is .status LEFT
ask PATCH "/v1/reservations/$id" "{\"lines\":[{\"sku\":\"$vinyl\",\"qty\":4}]}"
want 202
ask GET "/v1/waitlist/$first"
want 200
is .status OFFERED
offered=$(value .reservationId)
units_are "$vinyl" "$store" 0 6
ask POST "/v1/reservations/$id:cancel" '{}'
want 202
ask POST "/v1/reservations/$offered:confirm" '{"paymentRef":"pay-5"}'
want 202
sold=$(value .orderId)
ask GET "/v1/waitlist/$first"
want 200
is .status TAKEN
units_are "$vinyl" "$store" 4 0

step "what was sold comes back, once, and no more than that"
await .orderId "$sold" "/v1/orders/$sold"
is .late false '.lines[0].returned' 0
back="{\"lines\":[{\"sku\":\"$vinyl\",\"qty\":1}],\"reason\":\"smoke\"}"
ask POST "/v1/orders/$sold:return" "$back"
want 202
ask POST "/v1/orders/$sold:return" "$back" "Idempotency-Key: $key"
want 202
has Idempotent-Replayed true
units_are "$vinyl" "$store" 5 0
ask POST "/v1/orders/$sold:return" "{\"lines\":[{\"sku\":\"$vinyl\",\"qty\":2}]}"
want 409 RETURN_EXCEEDS_SOLD
ask GET "/v1/orders/$sold"
want 200
is '.lines[0].returned' 1

step "a late payment gets its units if they are there, and else is kept for somebody to see to"
reserve "$vinyl" 1 ',"ttlSeconds":1'
sleep 1
await .status EXPIRED "/v1/reservations/$id"
ask POST "/v1/reservations/$id:confirm" '{"paymentRef":"pay-6","onExpired":"reacquire"}'
want 202
is .late true
await .late true "/v1/orders/$(value .orderId)"
reserve "$vinyl" 1
ask POST "/v1/reservations/$id:cancel" '{}'
want 202
ask POST "/v1/reservations/$id:confirm" '{"paymentRef":"pay-7","onExpired":"reacquire"}'
want 409 PAYMENT_UNFULFILLED
is .why HOLD_CANCELLED
payment=$(value .paymentId)
await .resolution null "/v1/unfulfilled-payments/$payment"
is .paymentRef pay-7 .reservationId "$id"
ask POST "/v1/unfulfilled-payments/$payment:resolve" '{"resolution":"refunded","reference":"smoke"}'
want 200
is .resolution refunded
ask POST "/v1/unfulfilled-payments/$payment:resolve" '{"resolution":"fulfilled","reference":"other"}'
want 409 PAYMENT_ALREADY_RESOLVED
ask GET '/v1/unfulfilled-payments?resolved=true&limit=200'
want 200
says "$payment"

step "without its rules nothing limits the sale any more"
ask DELETE "$rules"
want 202
ask GET "$rules"
want 404 RULES_NOT_FOUND
units_are "$vinyl" "$store" 4 0
count_units "$vinyl" "$store" 0
ask GET "/v1/items/$vinyl/level?storeId=$store"
want 200
is .level SOLD_OUT
