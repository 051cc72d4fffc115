# Read by up, down, sql and test, in the root of the repository: leaves behind node_modules as
# package-lock.json wants it, or says in one line what is missing.
for tool in node npm; do
  if ! command -v "$tool" >/dev/null; then
    echo "Holdfast needs $tool: install Node 20 or newer (https://nodejs.org)" >&2
    exit 1
  fi
done
if [ "$(node -p 'parseInt(process.versions.node) >= 20')" != true ]; then
  echo "Holdfast needs Node 20 or newer to install itself, this is $(node --version)" >&2
  exit 1
fi
# npm writes this file when it is done, so half an installation counts as none.
if [ ! -f node_modules/.package-lock.json ] ||
  [ -n "$(find package-lock.json -newer node_modules/.package-lock.json)" ]; then
  echo "Installing packages (npm ci) ..."
  npm ci --include=dev --no-audit --no-fund --no-update-notifier --loglevel=error >/dev/null || exit 1
fi
if ! node_modules/.bin/node --version >/dev/null 2>&1; then
  echo "npm installed no Node into node_modules: allow install scripts and run npm rebuild node" >&2
  exit 1
fi
