# SPDX-License-Identifier: Apache-2.0
"""`response[]` of listApis: which fields a command's reply has, with their types.

One line per kind of object: names, and a type behind a colon where it is not `string`. `@4.17` says since when.
"""

from __future__ import annotations

from typing import Any

from csworkbench.lab.api.registry import Command
from csworkbench.lab.profiles import Profile

_OWNER = "account domainid domain"
_NIC = "id networkid networkname netmask gateway ipaddress isolationuri broadcasturi traffictype type \
    isdefault:boolean macaddress deviceid secondaryip:list ip6address ip6gateway ip6cidr"
_CHECK = "checkname checktype success:boolean status@4.22 lastupdated:date details"
_JOB = "accountid account@4.19 domainid@4.19 domainpath@4.19 userid cmd jobstatus:integer jobprocstatus:integer \
    jobresultcode:integer jobresulttype jobresult:responseobject jobinstancetype jobinstanceid managementserverid@4.19 \
    managementservername@4.21 created:date completed:date@4.12 jobid"
_ROUTER = f"id zoneid zonename dns1 gateway name podid podname@4.13 hostid hostname hostcontrolstate@4.18 hypervisor \
    linklocalip linklocalmacaddress linklocalnetmask linklocalnetworkid publicip publicmacaddress publicnetmask \
    publicnetworkid guestipaddress guestmacaddress guestnetmask guestnetworkid guestnetworkname@4.11.1 networkdomain \
    templateid templatename@4.16 created:date state {_OWNER} serviceofferingid serviceofferingname \
    isredundantrouter:boolean redundantstate version scriptsversion role arch@4.20.1 requiresupgrade:boolean \
    healthchecksfailed:boolean@4.16 healthcheckresults:list@4.14 softwareversion@4.17 vpcid vpcname@4.11.1 \
    nic:list jobid jobstatus:integer"
_FIREWALL = "id protocol startport:integer endport:integer icmptype:integer icmpcode:integer cidrlist destcidrlist \
    ipaddressid ipaddress networkid traffictype state tags:list"
_OBJECTS = {
    "api": "name description since isasync:boolean related params:set response:set type",
    "capability": "securitygroupsenabled:boolean dynamicrolesenabled:boolean cloudstackversion \
        userpublictemplateenabled:boolean supportELB projectinviterequired:boolean allowusercreateprojects:boolean \
        customdiskofferingminsize:long customdiskofferingmaxsize:long regionsecondaryenabled:boolean \
        apilimitinterval:integer apilimitmax:integer kvmsnapshotenabled:boolean defaultuipagesize:long",
    "managementserver": "id name state version osdistribution kernelversion javaversion lastserverstart:date \
        lastboottime:date serviceip pendingjobscount:long@4.21",
    "capacity": "type:short name@4.16 zoneid zonename capacityused:long capacitytotal:long percentused",
    "zone": "id name dns1 internaldns1 guestcidraddress networktype securitygroupsenabled:boolean allocationstate \
        dhcpprovider localstorageenabled:boolean type@4.18",
    "host": "id name state disconnected:date type ipaddress zoneid zonename podid podname clusterid clustername \
        hypervisor hypervisorversion version resourcestate managementserverid",
    "serviceoffering": "id name cpunumber:integer cpuspeed:integer memory:integer issystem:boolean systemvmtype",
    "networkoffering": "id name displaytext state guestiptype traffictype forvpc:boolean conservemode:boolean \
        ispersistent:boolean egressdefaultpolicy:boolean availability service:list",
    "template": "id name templatetype isready:boolean status hypervisor zoneid zonename format created:date \
        arch@4.20",
    "network": f"id name displaytext broadcastdomaintype traffictype gateway netmask cidr zoneid zonename \
        networkofferingid networkofferingname networkofferingconservemode:boolean issystem:boolean state broadcasturi \
        dns1 type vlan acltype vpcid vpcname@4.16 aclid aclname@4.16 ip6cidr ip6gateway {_OWNER} \
        ip6routing@4.17 ip6routes:set@4.17 service:list networkdomain physicalnetworkid restartrequired:boolean \
        canusefordeploy:boolean ispersistent:boolean strechedl2subnet:boolean redundantrouter:boolean@4.11.1 \
        egressdefaultpolicy:boolean created:date@4.16 jobid jobstatus:integer",
    "vpc": f"id name displaytext created:date state zoneid zonename service:list cidr vpcofferingid \
        vpcofferingname@4.13 restartrequired:boolean networkdomain network:list {_OWNER} fordisplay:boolean \
        distributedvpcrouter:boolean regionlevelvpc:boolean redundantvpcrouter:boolean jobid jobstatus:integer",
    "vpcoffering": "id name displaytext state isdefault:boolean created:date distributedvpcrouter:boolean \
        supportsregionLevelvpc:boolean service:list",
    "router": _ROUTER,
    "internalloadbalancervm": _ROUTER,
    "systemvm": "id systemvmtype zoneid zonename dns1 gateway name podid podname@4.13 hostid hostname hypervisor \
        privateip privatemacaddress privatenetmask linklocalip linklocalmacaddress linklocalnetmask publicip \
        publicmacaddress publicnetmask templateid templatename@4.16 created:date state agentstate@4.13.1 \
        disconnected:date@4.13.1 version@4.13.1 activeviewersessions:integer jobid jobstatus:integer",
    "virtualmachine": f"id name displayname instancename {_OWNER} created:date state haenable:boolean zoneid zonename \
        hostid hostname templateid templatename serviceofferingid serviceofferingname cpunumber:integer \
        memory:integer hypervisor publicip publicipid nic:set servicestate password keypairs@4.17 keypair jobid \
        jobstatus:integer",
    "publicipaddress": f"id ipaddress allocated:date zoneid zonename issourcenat:boolean isstaticnat:boolean \
        issystem:boolean isportable:boolean {_OWNER} forvirtualnetwork:boolean vlanid vlanname vpcid \
        vpcname@4.16 associatednetworkid \
        associatednetworkname networkid physicalnetworkid virtualmachineid virtualmachinename \
        virtualmachinedisplayname vmipaddress state hasrules:boolean@4.20 jobid jobstatus:integer",
    "keypair": f"id@4.16 name fingerprint {_OWNER} privatekey",
    "sshkeypair": f"id@4.16 name fingerprint {_OWNER}",
    "firewallrule": _FIREWALL,
    "portforwardingrule": "id privateport privateendport protocol publicport publicendport virtualmachineid \
        virtualmachinename virtualmachinedisplayname vmguestip ipaddressid ipaddress networkid state cidrlist \
        tags:list",
    "loadbalancerrule": f"id name algorithm publicipid publicip publicport privateport protocol networkid state \
        cidrlist zoneid zonename {_OWNER} tags:list",
    "networkacllist": "id name description vpcid vpcname@4.16 fordisplay:boolean",
    "networkacl": "id protocol startport endport traffictype state cidrlist icmptype:integer icmpcode:integer \
        tags:list aclid aclname@4.13 number:integer action fordisplay:boolean reason@4.13",
    "loadbalancer": f"id name algorithm sourceipaddress sourceipaddressnetworkid networkid {_OWNER} \
        loadbalancerrule:list loadbalancerinstance:list tags:list",
    "configuration": "category name value description scope isdynamic:boolean@4.18 defaultvalue@4.18 component@4.18",
    "account": "id name accounttype:short roletype rolename domainid domain domainpath@4.11 vmlimit vmtotal:long \
        vmavailable iplimit iptotal:long ipavailable networklimit networktotal:long networkavailable volumelimit \
        volumetotal:long volumeavailable state user:list isdefault:boolean groups:list created:date",
    "user": "id username firstname lastname email created:date state account accountid accounttype:short roletype \
        rolename domainid domain apikey timezone isdefault:boolean iscallerchilddomain:boolean",
    "domain": "id name level:integer parentdomainid parentdomainname haschild:boolean path state created:date@4.16",
    "resourcelimit": "account domainid domain resourcetype resourcetypename@4.11 max:long",
    "counter": "id name source value provider",
    "condition": "id counterid countername relationaloperator threshold:long account domainid domain",
    "event": f"id username type level description {_OWNER} resourceid@4.17 resourcetype@4.17 resourcename@4.17 \
        created:date state parentid archived:boolean",
    "alert": "id type:short name description sent:date",
    "asyncjobs": _JOB,
    "routerhealthchecks": "routerid healthchecks:list",
    "diagnostics": "stdout stderr exitcode",
    "diagnosticsdata": "url",
    "login": "username userid domainid timeout:integer account firstname lastname type timezone timezoneoffset \
        registered sessionkey is2faenabled@4.18 is2faverified@4.18 providerfor2fa@4.18 issuerfor2fa@4.18 \
        managementserverid@4.21",
    "jobid": "jobid",
    "success": "success:boolean displaytext",
    "providers": "name description",
    "setup2fa": "id accountid secretcode",
    "logout": "description",
}
_NESTED = {
    "loadbalancerrule": "sourceport:integer instanceport:integer state",
    "loadbalancerinstance": "id name state ipaddress",
    "nic": _NIC,
    "healthcheckresults": _CHECK,
    "healthchecks": _CHECK,
}
_OBJECT_OF = {
    "listApis": "api",
    "listCapabilities": "capability",
    "listManagementServers": "managementserver",
    "listCapacity": "capacity",
    "listZones": "zone",
    "listHosts": "host",
    "listServiceOfferings": "serviceoffering",
    "listNetworkOfferings": "networkoffering",
    "listTemplates": "template",
    "listNetworks": "network",
    "createNetwork": "network",
    "updateNetwork": "network",
    "createSSHKeyPair": "keypair",
    "registerSSHKeyPair": "keypair",
    "listSSHKeyPairs": "sshkeypair",
    "listVPCs": "vpc",
    "listVPCOfferings": "vpcoffering",
    "listRouters": "router",
    "rebootRouter": "router",
    "stopRouter": "router",
    "startRouter": "router",
    "destroyRouter": "router",
    "upgradeRouterTemplate": "jobid",
    "listInternalLoadBalancerVMs": "internalloadbalancervm",
    "listSystemVms": "systemvm",
    "startSystemVm": "systemvm",
    "stopSystemVm": "systemvm",
    "rebootSystemVm": "systemvm",
    "destroySystemVm": "systemvm",
    "listVirtualMachines": "virtualmachine",
    "deployVirtualMachine": "virtualmachine",
    "destroyVirtualMachine": "virtualmachine",
    "listLoadBalancerRuleInstances": "virtualmachine",
    "listPublicIpAddresses": "publicipaddress",
    "associateIpAddress": "publicipaddress",
    "listFirewallRules": "firewallrule",
    "createFirewallRule": "firewallrule",
    "listIpv6FirewallRules": "firewallrule",
    "createIpv6FirewallRule": "firewallrule",
    "listEgressFirewallRules": "firewallrule",
    "createEgressFirewallRule": "firewallrule",
    "listPortForwardingRules": "portforwardingrule",
    "createPortForwardingRule": "portforwardingrule",
    "listLoadBalancerRules": "loadbalancerrule",
    "createLoadBalancerRule": "loadbalancerrule",
    "listNetworkACLLists": "networkacllist",
    "createNetworkACLList": "networkacllist",
    "listNetworkACLs": "networkacl",
    "createNetworkACL": "networkacl",
    "listLoadBalancers": "loadbalancer",
    "startInternalLoadBalancerVM": "internalloadbalancervm",
    "stopInternalLoadBalancerVM": "internalloadbalancervm",
    "listConfigurations": "configuration",
    "updateConfiguration": "configuration",
    "resetConfiguration": "configuration",
    "listAccounts": "account",
    "disableAccount": "account",
    "enableAccount": "account",
    "listUsers": "user",
    "getUser": "user",
    "disableUser": "user",
    "enableUser": "user",
    "listDomains": "domain",
    "listResourceLimits": "resourcelimit",
    "updateResourceLimit": "resourcelimit",
    "listCounters": "counter",
    "listConditions": "condition",
    "createCondition": "condition",
    "listEvents": "event",
    "listAlerts": "alert",
    "listAsyncJobs": "asyncjobs",
    "queryAsyncJobResult": "asyncjobs",
    "getRouterHealthCheckResults": "routerhealthchecks",
    "runDiagnostics": "diagnostics",
    "getDiagnosticsData": "diagnosticsdata",
    "login": "login",
    "logout": "logout",
    "setupUserTwoFactorAuthentication": "setup2fa",
    "listUserTwoFactorAuthenticatorProviders": "providers",
}
"""Everything that is not named answers with success, or with a job whose result is success."""


def of(command: Command, profile: Profile) -> list[dict[str, Any]]:
    """The `response[]` rows of a command in that release."""
    return _rows(_OBJECTS[_OBJECT_OF.get(command.name, "success")], profile)


def _rows(text: str, profile: Profile) -> list[dict[str, Any]]:
    rows = []
    for word in text.split():
        rest, _, since = word.partition("@")
        name, _, kind = rest.partition(":")
        if since and profile.release < tuple(int(part) for part in since.split(".")):
            continue
        item: dict[str, Any] = {"name": name, "description": name, "type": kind or "string"}
        if name in _NESTED:
            item["response"] = _rows(_NESTED[name], profile)
        rows.append(item)
    return rows
