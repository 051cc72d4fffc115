# The last part of smoke: products, the checkout's calls, bad input, and putting things back.

step "products are found, changed, and not deleted while there is stock"
ask GET "/v1/products?q=smoke%20test%20$run"
want 200
is .total 1 '.items[0].sku' "$book"
ask GET "/v1/products/totals?q=$book"
want 200
is '.items[0].totalAvailable' 5 .page 1
ask PUT "/v1/products/$book" '{"name":"Second edition","price":5}' 'If-Match: "1"'
want 202
is .name "Second edition" .price 5 .category '' .version 2
ask PUT "/v1/products/$book" '{"name":"Third edition"}' 'If-Match: "1"'
want 409 VERSION_CONFLICT
is .version 2
ask DELETE "/v1/products/$book"
want 409 PRODUCT_IN_USE
count_units "$book" "$book_store" 0
ask DELETE "/v1/products/$book"
want 202
is .deleted true
ask GET "/v1/products/$book"
want 404 PRODUCT_NOT_FOUND

step "the checkout's own calls, on the same inventory"
hold() { echo "{\"sku\":\"$tea\",\"qty\":$1,\"user_id\":\"$customer\",\"store_id\":\"$store\",\"ttl_seconds\":60}"; }
ask POST /holds/reserve "$(hold 2)"
want 201
is .status ACTIVE .qty 2
id=$(value .hold_id)
ask POST /holds/reserve "$(hold 2)" "Idempotency-Key: $key"
want 201
has Idempotent-Replayed true
is .hold_id "$id"
ask GET "/v1/reservations/$id"
want 200
is .status CREATED '.lines[0].qty' 2
ask POST /holds/confirm "{\"hold_id\":\"$id\",\"payment_ref\":\"pay-3\"}"
want 200
is .status CONFIRMED
like .order_id 'O-*'
ask POST /holds/confirm "{\"hold_id\":\"$id\",\"payment_ref\":\"pay-4\"}"
want 409 HOLD_ALREADY_CONFIRMED
ask GET "/holds/$id"
want 200
is .status CONFIRMED .payment_ref pay-3
ask POST /holds/reserve "$(hold 1)"
want 201
ask POST /holds/cancel "{\"hold_id\":\"$(value .hold_id)\"}"
want 200
is .status CANCELLED
ask POST /holds/reserve "$(hold 99)"
want 409 SOLD_OUT
is .available 5
units_are "$tea" "$store" 5 0

step "bad input is refused by name, and nothing happens"
ask POST /v1/reservations "{\"lines\":[{\"sku\":\"$tea\",\"qty\":1}],\"ttl\":5}"
want 400 INVALID_REQUEST
is '.errors[0].pointer' '#/ttl'
ask POST /v1/reservations "{\"lines\":[{\"sku\":\"$tea\",\"qty\":0}]}"
want 400 INVALID_REQUEST
is '.errors[0].pointer' '#/lines/0/qty'
ask POST /v1/reservations '{"lines":'
want 400 INVALID_REQUEST
ask POST /v1/purchase "{\"sku\":\"$tea\",\"qty\":1}" "Idempotency-Key:"
want 400 IDEMPOTENCY_KEY_MISSING
ask POST /v1/purchase "{\"sku\":\"$tea\",\"qty\":1}" "Content-Type: text/plain"
want 415 UNSUPPORTED_MEDIA_TYPE
ask POST /v1/purchase "{\"sku\":\"$tea-none\",\"qty\":1}"
want 404 UNKNOWN_SKU
ask POST /v1/reservations "{\"storeId\":\"no-store-$run\",\"lines\":[{\"sku\":\"$tea\",\"qty\":1}]}"
want 404 STORE_NOT_FOUND
ask GET "/v1/orders?limit=0"
want 400 INVALID_REQUEST
ask GET "/v1/orders?colour=red"
want 400 INVALID_REQUEST
ask GET "/v1/reservations/H-none"
want 404 HOLD_NOT_FOUND
ask DELETE /v1/purchase
want 405 METHOD_NOT_ALLOWED
has Allow POST
ask GET /v1/nowhere
want 404 NOT_FOUND
units_are "$tea" "$store" 5 0

step "everything is put back"
# Of the 20 that came, 2 were sold.
ask POST /v1/adjustments "{\"storeId\":\"$store\",\"sku\":\"$sku\",\"delta\":-18,\"reason\":\"return\"}"
want 202
is .available $((base - 20))
for place in "$tea $store" "$tea $far" "$mug $store" "$mug $far"; do
  count_units "${place% *}" "${place#* }" 0
done
