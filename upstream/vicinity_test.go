package upstream

import (
	"net/netip"
	"testing"
)

// A redirect leads to no address that is nearer to backref than the registry.
func TestWhereRedirectsMayLead(t *testing.T) {
	const here, link, lan, public = "127.0.0.1", "169.254.1.1", "10.1.2.3", "192.0.2.1"
	for peer, allowed := range map[string][]string{
		"192.0.2.7": {here, link, lan, public}, "[2001:db8::1]": {here, link, lan, public},
		"10.9.9.9": {here, lan}, "192.168.1.1": {here, lan}, "100.100.100.200": {here, lan}, "[fd00::1]": {here, lan}, "[64:ff9b::a00:1]": {here, lan},
		"127.0.0.9": {here}, "[::1]": {here}, "[::ffff:127.0.0.1]": {here},
		"169.254.169.254": {link}, "[fe80::1]": {link}, "[64:ff9b::a9fe:a9fe]": {link},
		"0.0.0.0": nil, "[::]": nil, "224.0.0.1": nil, "255.255.255.255": nil, "0.1.2.3": nil, "[ff02::1]": nil,
	} {
		for _, registry := range []string{here, link, lan, public} {
			want := false
			for _, home := range allowed {
				want = want || home == registry
			}
			if got := checkElsewhere(peer+":443", []netip.Addr{netip.MustParseAddr(registry)}) == nil; got != want {
				t.Errorf("%s from a registry at %s: %t", peer, registry, got)
			}
		}
	}
	if checkElsewhere("nonsense", nil) == nil {
		t.Error("nonsense is an address")
	}
}
