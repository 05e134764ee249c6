#!/bin/sh
# For the feed's tests on a real rootfs: test.sh PACKAGE VERSION, after the package was installed.
case "$1" in
pathwarden)
	pathwarden config check || exit 1
	pathwarden config init | pathwarden config check /dev/stdin || exit 1
	[ -x /etc/init.d/pathwarden ] || exit 1
	;;
pathwarden-page)
	[ -s /usr/share/pathwarden/www/index.html ] || exit 1
	;;
pathwarden-tools)
	pathwarden trace -n 127.0.0.1 || exit 1
	pathwarden demo --help >/dev/null || exit 1
	;;
esac
