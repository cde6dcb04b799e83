#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Live patch of a system VM, run inside it: the order of CloudStack's own script, with the defect of its roll-back.

PATH=/opt/cloud/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
cache=/var/cache/cloud
backup=$cache/bkpup_live_patch
signature=$cache/cloud-scripts-signature
agent=/usr/local/cloud/systemvm
log=/var/log/livepatchsystemvm.log
kind=$(sed -n 's/.*type=\([a-z]*\).*/\1/p' $cache/cmdline)
failed=0
restored=0

require_template() {
  template=$(sed -n 's/^Cloudstack Release \([0-9.]*\).*/\1/p' /etc/cloudstack-release)
  if [ "$(printf '%s\n' 4.14 "$template" | sort -V | head -n 1)" != 4.14 ]; then
    echo "The template $template cannot be live patched: its Java is too old for the new agent" | tee -a $log
    exit 1
  fi
}

back_up() {
  mkdir -p $backup
  echo "Backing up agent, signature and scripts" >$log
  [ -d $agent ] && cp -r $agent $backup/agent
  cp $signature $backup/
  # Of these directories only what is the VM's own: the rest of /etc and /opt is the machine's that it runs on.
  tar -czf $backup/cloud-scripts.tgz -C / --exclude=./var/cache/cloud \
    etc/cloudstack-release etc/haproxy/haproxy.cfg etc/ssh/sshd_config etc/sysctl.conf opt/cloud 2>>$log
}

patch() {
  rm -rf $agent
  case $kind in
    consoleproxy | secstorage)
      mkdir -p $agent
      python3 -m zipfile -e $cache/agent.zip $agent >>$log 2>&1 # not every machine has unzip
      ;;
  esac
  echo "Extracting cloud scripts" >>$log
  tar -xvf $cache/cloud-scripts.tgz -C / >>$log 2>&1
  if [ -d $backup/agent/conf ] && [ -d $agent ]; then
    cp -r $backup/agent/conf $agent/ # certificates
  fi
  @CHECKSUM@ $cache/cloud-scripts.tgz 2>>$log | cut -d ' ' -f 1 2>>$log >$signature
  case $kind in
    *router | consoleproxy | secstorage) restart_services ;;
  esac
}

restart_services() {
  systemctl daemon-reload
  for service in $(cat $cache/enabled_svcs); do
    systemctl is-active --quiet "$service" || continue
    systemctl restart "$service" >>$log 2>&1
    systemctl is-active --quiet "$service" && continue
    echo "Failed to start $service. Patch failed" >>$log
    [ $restored = 0 ] && restore
    failed=1
    return
  done
  if [ "$kind" = consoleproxy ]; then
    iptables -A INPUT -i eth2 -p tcp -m state --state NEW -m tcp --dport 8080 -j ACCEPT
  fi
}

restore() {
  echo "Restoring cloud scripts" >>$log
  tar -xvf $backup/cloud-scripts.tar -C / >>$log 2>&1 # never written: back_up makes a .tgz
  [ -d $backup/agent ] && rm -rf $agent && cp -r $backup/agent $agent
  restored=1
  restart_services
  cp $backup/cloud-scripts-signature $signature
}

clean_up() {
  rm -rf $backup
  mv $cache/cloud-scripts.tgz /usr/share/cloud/cloud-scripts.tgz
  rm -f $cache/agent.zip $cache/patch-sysvms.sh
}

require_template
back_up
patch
clean_up
[ $failed = 0 ] && echo "version:$(cat $signature)"
exit $failed
