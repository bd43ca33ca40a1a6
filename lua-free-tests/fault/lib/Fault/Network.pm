package Fault::Network;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# Hosts that are connected by a network, which can fall into two parts:
#
#     BEGIN { Fault::Network::enter() }           # the spec goes on in a network of its own, where it may have one
#     my $net = Fault::Network->new('h0', 'h1');  # two hosts, beside the one that the spec and nginx are on ('here')
#     $net->address('h0'); $net->prefix('h0');    # 10.9.0.10; the words that make a command run on it
#     $net->on('h0', 'h1');                       # both, of each
#     $net->apart('h0', 'here');                  # these reach each other, and nobody else; nobody is told
#     $net->whole;
#
# Where there can be none, new() gives nothing, and why() says why.
#
# Each host is a network namespace with one end of a veth pair, whose other end is plugged into one of two bridges: what
# is moved to the other bridge hears nothing from where it was, and no packet is refused. All of it is in a namespace
# that the spec itself is in, and ends with it. Unix sockets go through: what is cut off can still be asked by its path.

use strict;
use warnings;

my $why;


# Whether there can be networks. Else nothing is changed, and why() says it.
sub enter {
    return 1 if $ENV{FAULT_NETWORK};

    $why = $> != 0 ? 'only root may make networks'
        : system("unshare --net --mount sh -c 'ip link add pv0 type bridge && ip link add pv1 type veth peer name pv2'"
            . ' 2>/dev/null >/dev/null') != 0 ? 'this machine makes no network namespaces'
        : system('command -v nsenter >/dev/null') != 0 ? 'there is no nsenter' : '';
    return 0 if $why;

    local $ENV{FAULT_NETWORK} = 1;
    exec 'unshare', '--net', '--mount', $^X, (map { "-I$_" } grep { !ref } @INC), $0, @ARGV or die "unshare: $!";
}


sub why { return $why }


sub new {
    my ($class, @hosts) = @_;

    return if !$ENV{FAULT_NETWORK};
    my $self = bless { hosts => ['here', @hosts] }, $class;

    _ip('link', 'set', 'lo', 'up');
    system('mkdir -p /run/netns && mount -t tmpfs tmpfs /run/netns') == 0 or die 'no place for namespaces';
    for my $bridge ('together', 'aside') {
        _ip('link', 'add', $bridge, 'type', 'bridge', 'forward_delay', 0);
        _ip('link', 'set', $bridge, 'up');
    }
    for my $i (0 .. $#{$self->{hosts}}) {
        my $host = $self->{hosts}[$i];
        $self->{address}{$host} = '10.9.0.' . ($i ? 9 + $i : 1);
        _ip('netns', 'add', $host) if $i;
        _ip('link', 'add', "$host.port", 'type', 'veth', 'peer', 'name', "$host.card", $i ? ('netns', $host) : ());
        _ip('link', 'set', "$host.port", 'master', 'together', 'up');
        my @in = $i ? ('-n', $host) : ();
        _ip(@in, 'address', 'add', "$self->{address}{$host}/24", 'dev', "$host.card");
        _ip(@in, 'link', 'set', $_, 'up') for 'lo', "$host.card";
    }
    return $self;
}


sub address { return $_[0]{address}{$_[1]} }
sub on      { my ($self, @hosts) = @_; return [map { [$self->address($_), $self->prefix($_)] } @hosts] }
sub host    { my ($self, $at) = @_; return (grep { $self->{address}{$_} eq $at } @{$self->{hosts}})[0] }
sub prefix  { return $_[1] eq 'here' ? () : ('nsenter', "--net=/run/netns/$_[1]") }


# From now on these are a network, and all others another one.
sub apart {
    my ($self, @aside) = @_;

    my %aside = map { $_ => 1 } @aside;
    for my $host (@{$self->{hosts}}) {
        my $bridge = delete $aside{$host} ? 'aside' : 'together';
        next if ($self->{at}{$host} // 'together') eq $bridge;
        _ip('link', 'set', "$host.port", 'master', $bridge);
        $self->{at}{$host} = $bridge;
    }
    die 'no such host: ' . join ', ', keys %aside if %aside;
}


sub whole { $_[0]->apart }


sub _ip { system('ip', @_) == 0 or die "ip @_" }


1;
