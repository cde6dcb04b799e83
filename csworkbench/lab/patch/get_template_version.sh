#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Scripts of CloudStack @RELEASE@. Prints the template's release and the signature of the scripts: RELEASE&SIGNATURE.

tries=2400
until [ -e /var/cache/cloud/boot_up_done ]; do
  tries=$((tries - 1))
  if [ $tries = 0 ]; then
    echo "The boot is not done after 240 seconds"
    exit 1
  fi
  sleep 0.1
done
echo "$(cat /etc/cloudstack-release)&$(cat /var/cache/cloud/cloud-scripts-signature)"
