# Read by smoke: how it asks, looks at the answer, waits and gives up. Plain sh, curl and awk, so that it runs
# wherever somebody has to look at a server. What a function leaves behind for the others is in `asked_*`,
# `status` and the files of $dir: body, head (its headers), and flat (the body's values, each after its place).

dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
# In a file, where no list of processes shows the token.
printf 'silent\nshow-error\nmax-time = 30\n' >"$dir/curl"
[ -z "${TOKEN-}" ] || printf 'header = "Authorization: Bearer %s"\n' "$TOKEN" >>"$dir/curl"

export LC_ALL=C
checks=0
steps=0
requests=0
name=
status=

now_ms() {
  ms=$(date +%s%N)
  # Some systems know no N, and print a letter or nothing for it.
  case $ms in *[!0-9]* | ??????????) echo "$(date +%s)000" ;; *) echo "${ms%??????}" ;; esac
}

# step NAME: ends the step before, and begins one.
step() {
  end_step
  name=$1
  began_ms=$(now_ms)
}

end_step() {
  [ -n "$name" ] || return 0
  steps=$((steps + 1))
  printf 'ok %6d ms  %s\n' $(($(now_ms) - began_ms)) "$name"
  name=
}

# ask METHOD PATH [BODY [HEADER...]]: a write gets an Idempotency-Key of its own unless it brings one.
ask() {
  asked_method=$1 asked_path=$2 asked_body=${3-}
  if [ $# -le 3 ]; then set --; else shift 3; fi
  case $asked_method/$* in
    GET/* | *dempotency-Key:*) ;;
    *)
      requests=$((requests + 1))
      key=smoke-$run-$requests
      set -- "$@" "Idempotency-Key: $key"
      ;;
  esac
  case $asked_body/$* in
    /* | *ontent-Type:*) ;;
    *) set -- "$@" "Content-Type: application/json" ;;
  esac
  asked_headers=$(printf '%s\n' "$@")
  for header; do
    set -- "$@" -H "$header"
    shift
  done
  printf %s "$asked_body" >"$dir/sent"
  [ -z "$asked_body" ] || set -- "$@" --data-binary "@$dir/sent"
  : >"$dir/body"
  : >"$dir/head"
  : >"$dir/flat"
  status=$(curl -q -K "$dir/curl" -X "$asked_method" -o "$dir/body" -D "$dir/head" -w '%{http_code}' \
    "$@" "$BASE_URL$asked_path" 2>"$dir/error") || fail "an answer" "$(cat "$dir/error")"
  case $(header Content-Type) in
    application/x-ndjson*) flatten 1 ;;
    *json*) [ "$asked_path" = /openapi.json ] || flatten 0 ;;
  esac
}

# want STATUS [CODE]: the status, and of a problem its code in the form of RFC 9457.
want() {
  [ "$status" = "$1" ] || fail "status $1" "status $status"
  checks=$((checks + 1))
  [ $# -gt 1 ] || return 0
  case $(header Content-Type) in
    application/problem+json*) ;;
    *) fail "Content-Type: application/problem+json" "Content-Type: $(header Content-Type)" ;;
  esac
  is .code "$2" .status "$1"
}

# is PLACE VALUE [PLACE VALUE...]: what stands in the body, as in: is '.lines[0].sku' tea
is() {
  while [ $# -gt 1 ]; do
    [ "$(value "$1")" = "$2" ] || fail "$1 is $2" "$1 is $(value "$1")"
    checks=$((checks + 1))
    shift 2
  done
}

# like PLACE PATTERN: the same with a pattern of the shell.
like() {
  case $(value "$1") in
    $2) checks=$((checks + 1)) ;;
    *) fail "$1 is like $2" "$1 is $(value "$1")" ;;
  esac
}

# has HEADER VALUE; says TEXT: somewhere in the body.
has() {
  [ "$(header "$1")" = "$2" ] || fail "$1: $2" "$1: $(header "$1")"
  checks=$((checks + 1))
}
says() {
  grep -qF -e "$1" "$dir/body" || fail "a body with $1" "another one"
  checks=$((checks + 1))
}

# await PLACE VALUE PATH: asks for PATH again and again until it says so.
await() {
  give_up_at=$(($(date +%s) + WAIT_SECONDS))
  while :; do
    ask GET "$3"
    if [ "$status" = 200 ] && [ "$(value "$1")" = "$2" ]; then break; fi
    [ "$(date +%s)" -lt "$give_up_at" ] ||
      fail "status 200 and $1 is $2, within $WAIT_SECONDS s" "status $status and $1 is $(value "$1")"
    pause
  done
  checks=$((checks + 1))
}

pause() { sleep 0.2 2>/dev/null || sleep 1; }

value() {
  awk -v place="$1" 'index($0, place "\t") == 1 { print substr($0, length(place) + 2); exit }' "$dir/flat"
}

header() {
  awk -v name="$1" 'BEGIN { name = tolower(name) ":" }
    index(tolower($0), name) == 1 { sub(/^[^:]*: */, ""); sub(/\r$/, ""); print; exit }' "$dir/head"
}

# fail EXPECTED REAL
fail() {
  {
    echo
    echo "FAILED: $name (after $steps steps and $checks checks)"
    echo "  asked     $asked_method $BASE_URL$asked_path"
    [ -z "$asked_headers" ] || printf '%s\n' "$asked_headers" | sed 's/^/            /'
    [ -z "$asked_body" ] || printf '            %s\n' "$asked_body"
    echo "  expected  $1"
    echo "  was       $2"
    echo "  answer"
    head -c 4000 "$dir/head" | tr -d '\r' | sed '/^$/d; s/^/            /'
    head -c 4000 "$dir/body" | sed 's/^/            /'
    echo
  } >&2
  exit 1
}

# flatten MANY: a line for each value of the body's JSON, its place and a tab before it; with MANY the body is a
# row of JSON texts.
flatten() {
  awk -v many="$1" '
    { text = text $0 "\n" }
    END {
      at = 1
      if (!many) read_value("")
      else for (n = 0; blanks() < length(text); n++) read_value("[" n "]")
    }
    function blanks() {
      while (index(" \t\r\n", substr(text, at, 1)) && at <= length(text)) at++
      return at
    }
    function next_char() {
      blanks()
      return substr(text, at++, 1)
    }
    function read_value(place, c, n, member) {
      c = next_char()
      if (c == "{" || c == "[") {
        print place "\t" c
        if (substr(text, blanks(), 1) == (c == "{" ? "}" : "]")) { at++; return }
        do {
          if (c == "{") { next_char(); member = read_text(); next_char(); read_value(place "." member) }
          else read_value(place "[" n++ "]")
        } while (next_char() == ",")
        return
      }
      if (c == "\"") { print place "\t" read_text(); return }
      match(substr(text, at - 1, 40), /^[-+.0-9A-Za-z]*/)
      print place "\t" substr(text, at - 1, RLENGTH)
      at += RLENGTH - 1
      if (RLENGTH < 1) exit 1
    }
    function read_text(out, c) {
      for (;;) {
        if (match(substr(text, at, 200), /^[^"\\]+/)) {
          out = out substr(text, at, RLENGTH)
          at += RLENGTH
          continue
        }
        c = substr(text, at++, 1)
        if (c != "\\") return out
        out = out substr(text, at++, 1)
      }
    }
  ' "$dir/body" >"$dir/flat" || fail "JSON" "something else"
}
