# The part of smoke that changes stock by hand. Goes on with $sku, $tea (1 in $store), and $mug (3, and 6 in
# $far).

step "an adjustment at the version that was read; a stale one is refused"
delta() { echo "{\"storeId\":\"$store\",\"sku\":\"$tea\",\"delta\":$1,\"reason\":\"manual\",\"notes\":\"smoke\"}"; }
ask GET "$(there "$tea")"
version=$(value .perStore[0].version)
ask POST /v1/adjustments "$(delta 9)" "If-Match: \"$version\""
want 202
is .available 10 .onHand 10 .version $((version + 1))
adjust_key=$key
ask POST /v1/adjustments "$(delta 9)" "If-Match: \"$version\"" "Idempotency-Key: $adjust_key"
want 202
has Idempotent-Replayed true
ask POST /v1/adjustments "$(delta 9)" "If-Match: \"$version\""
want 409 VERSION_CONFLICT
is .version $((version + 1))
ask POST /v1/adjustments "$(delta -11)"
want 409 WOULD_GO_NEGATIVE
is .available 10
units_are "$tea" "$store" 10 0

step "a recount leaves alone what is reserved, and tells what is missing"
reserve "$tea" 4
count_units "$tea" "$store" 3
is .available 0 .reserved 4 .shortfall 1
count_units "$tea" "$store" 10
is .available 6 .reserved 4 .shortfall 0
ask POST "/v1/reservations/$id:cancel" '{"reason":"timeout"}'
want 202
units_are "$tea" "$store" 10 0

step "a transfer moves all lines or none"
lines="[{\"sku\":\"$tea\",\"qty\":4},{\"sku\":\"$mug\",\"qty\":1}]"
ask POST /v1/transfers "{\"fromStore\":\"$store\",\"toStore\":\"$far\",\"lines\":$lines}"
want 202
like .transferId '*-*'
units_are "$tea" "$store" 6 0
units_are "$tea" "$far" 4 0
units_are "$mug" "$far" 7 0
lines="[{\"sku\":\"$tea\",\"qty\":1},{\"sku\":\"$mug\",\"qty\":99}]"
ask POST /v1/transfers "{\"fromStore\":\"$store\",\"toStore\":\"$far\",\"lines\":$lines}"
want 409 WOULD_GO_NEGATIVE
is '.lines[0].sku' "$mug" '.lines[0].requested' 99 '.lines[0].available' 2
units_are "$tea" "$store" 6 0
ask POST /v1/transfers "{\"fromStore\":\"$store\",\"toStore\":\"$store\",\"lines\":$lines}"
want 400 INVALID_REQUEST

step "a reconciliation compares, and then sets right"
snapshot="{\"storeId\":\"$store\",\"snapshotOnHand\":{\"$mug\":2,\"$tea\":5},\"source\":\"smoke\"}"
ask POST '/v1/reconciliations?dryRun=true' "$snapshot"
want 200
is .dryRun true .applied 0 .differing 1
units_are "$tea" "$store" 6 0
ask POST /v1/reconciliations "$snapshot"
want 202
is .dryRun false .applied 2 .differing 1 '.items[0].sku' "$mug" '.items[1].difference' -1
units_are "$tea" "$store" 5 0
ask POST '/v1/reconciliations?dryRun=true' "$snapshot"
want 200
is .differing 0

step "many stocks at once, line by line: a bad one stops no other"
bulk=$(
  echo "{\"sku\":\"$tea\",\"storeId\":\"$store\",\"onHand\":8}"
  echo "{\"sku\":\"$mug\",\"storeId\":\"$store\",\"delta\":-99}"
  echo "{\"sku\":\"$mug\",\"storeId\":\"$store\",\"delta\":\"one\"}"
  echo "{\"sku\":\"$mug\",\"storeId\":\"$store\",\"delta\":2}"
)
ask POST /v1/stock:bulk "$bulk" "Content-Type: application/x-ndjson"
want 202
is '[0].line' 1 '[0].status' APPLIED '[0].available' 8
is '[1].status' REFUSED '[1].code' WOULD_GO_NEGATIVE
is '[2].status' REFUSED '[2].code' INVALID_REQUEST
is '[3].line' 4 '[3].status' APPLIED '[3].available' 4
ask POST /v1/stock:bulk "[{\"sku\":\"$tea\",\"storeId\":\"$store\",\"onHand\":7}]"
want 202
units_are "$tea" "$store" 7 0
units_are "$mug" "$store" 4 0
