# The part of smoke that reads what was recorded. Goes on with $order and $purchase_order of $customer.

step "orders: one, and those of a customer page by page"
await .orderId "$order" "/v1/orders/$order"
is .customerId "$customer" .paymentRef pay-1 '.lines[0].storeId' "$store" '.lines[1].qty' 2
await .orderId "$purchase_order" "/v1/orders/$purchase_order"
ask GET "/v1/orders?customerId=$customer&limit=2"
want 200
like .nextCursor '?*'
has_more=$(value .nextCursor)
newest=$(value '.items[0].orderId')
ask GET "/v1/orders?customerId=$customer&limit=200&cursor=$has_more"
want 200
is .nextCursor null
[ "$(value '.items[0].orderId')" != "$newest" ] || fail "further orders" "the newest once more"
says "$order"
ask GET "/v1/reservations?customerId=$customer&status=CONFIRMED&sku=$tea"
want 200
is '.items[0].orderId' "$order" '.items[1].orderId' ''

step "events in their order, from any of them on"
ask GET "/v1/events?sku=$tea&storeId=$store&limit=2"
want 200
is '[0].eventType' STOCK_COUNTED '[0].aggregate.id' "$tea@$store" '[1].eventType' HOLD_CREATED
second=$(value '[1].eventId')
ask GET "/v1/events?sku=$tea&since=$(value '[0].eventId')&limit=1"
want 200
is '[0].eventId' "$second" '[1].eventId' ''

# add_up SKU STORE: each movement there is, page by page, until they say what Redis says.
add_up() {
  give_up_at=$(($(date +%s) + WAIT_SECONDS))
  while :; do
    ask GET "$(there "$1" "$2")"
    want 200
    in_redis="$(value .perStore[0].available) available, $(value .perStore[0].reserved) reserved"
    cursor=
    : >"$dir/moved"
    while [ "$cursor" != null ]; do
      ask GET "/v1/products/$1/movements?storeId=$2&limit=50${cursor:+&cursor=$cursor}"
      want 200
      cat "$dir/flat" >>"$dir/moved"
      cursor=$(value .nextCursor)
    done
    moved=$(awk -F '\t' '$1 ~ /\.availableDelta$/ { available += $2 } $1 ~ /\.heldDelta$/ { held += $2 }
      END { printf "%d available, %d reserved", available, held }' "$dir/moved")
    [ "$moved" = "$in_redis" ] && break
    [ "$(date +%s)" -lt "$give_up_at" ] || fail "movements of $1 in $2 that add up to $in_redis" "$moved"
    pause
  done
  checks=$((checks + 1))
}

step "the movements of each stock add up to what there is"
for place in "$sku $store" "$tea $store" "$tea $far" "$mug $store" "$mug $far" "$book $book_store"; do
  add_up "${place% *}" "${place#* }"
done
for kind in HOLD_CREATED HOLD_CONFIRMED HOLD_CANCELLED HOLD_EXPIRED; do
  ask GET "/v1/products/$sku/movements?storeId=$store&limit=200"
  says "\"$kind\""
done
ask GET "/v1/products/$tea/movements?limit=200"
for kind in STOCK_ADJUSTED STOCK_COUNTED STOCK_TRANSFERRED; do says "\"$kind\""; done

step "what an idempotency key did"
ask GET "/v1/idempotency/$reserve_key"
want 200
is '.items[0].route' "POST /v1/reservations"
ask GET "/v1/idempotency/$adjust_key"
want 200
is '.items[0].result.delta' 9
ask GET "/v1/idempotency/smoke-$run-none"
want 404 NOT_FOUND

step "the counts are summed up anew from the movements"
ask GET /v1/projections/status
want 200
like '.partitions[0].appliedSeq' '[1-9]*'
ask POST /v1/projections/rebuild '{}'
want 202
await .rebuild.state DONE /v1/projections/status
like .rebuild.finishedAt '*T*Z'
units_are "$sku" "$store" $((base - 2)) "$held"

step "dead letters are listed, and replayed by their names"
ask GET '/v1/dlt?limit=5'
want 200
is .items '['
ask POST /v1/dlt/replay '{"messageIds":["0-1"]}'
want 202
is .requested 0 '.unknown[0]' 0-1
