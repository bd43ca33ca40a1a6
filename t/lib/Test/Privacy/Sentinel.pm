package Test::Privacy::Sentinel;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A master, its replicas, and three sentinels that watch it: new(DIR, replicas => 1, address => '127.0.0.1',
# lines => [...] of the servers, sentinel_lines => [...], sentinel_account => [USER, PASSWORD]). hosts => [[ADDRESS, words
# before a command], ...]: servers and sentinels are on these, in turn.
#
#   url(USER:PASSWORD)    for privacy_redis and privacyctl; name
#   nodes, sentinels      Test::Privacy::Redis each, with {address} and {port}
#   caught_up             waits until each replica has what the master has
#   master                the one that the sentinels name (of those that are asked)
#   failover              by order; returns the new master when it is one
#   again(NODE)           starts one that was killed
#   stop

use strict;
use warnings;

use Time::HiRes qw(time);

use Test::Privacy::Redis;
use Test::Privacy::Servers qw(node ports port_lines wait_for);


sub new {
    my ($class, $dir, %options) = @_;

    my $address = $options{address} // '127.0.0.1';
    my $replicas = $options{replicas} // 1;
    my @hosts = @{$options{hosts} // [[$address]]};
    my @ports = $options{hosts} ? 6379 .. 6379 + $replicas + 3 : ports($address, 1 + $replicas + 3);
    my $master = $hosts[0][0];
    my @nodes = map {
        my $host = $hosts[$_ % @hosts];
        node("$dir/node$_", $host, $ports[$_], "replica-announce-ip $host->[0]", @{$options{lines} // []},
            $_ ? "replicaof $master $ports[0]" : ());
    } 0 .. $replicas;
    my $self = bless { nodes => \@nodes, address => $address, name => $options{name} // 'privacy', sentinels => [] },
        $class;

    for my $n (1 .. 3) {
        my $s = Test::Privacy::Redis->new("$dir/sentinel$n");
        my ($at, @prefix) = @{$hosts[($n - 1) % @hosts]};
        @$s{qw(address prefix port sentinel)} = ($at, \@prefix, $ports[$replicas + $n], 1);
        $s->{lines} = [port_lines($s->{port}, @{$options{sentinel_lines} // []}), "bind $at", 'protected-mode no',
            "sentinel announce-ip $at", "sentinel monitor $self->{name} $master $ports[0] 2",
            "sentinel down-after-milliseconds $self->{name} " . ($options{down} // 3000),
            "sentinel failover-timeout $self->{name} 3000", @{$options{sentinel_lines} // []}];
        $s->{account} = $options{sentinel_account};
        push @{$self->{sentinels}}, $s->start(@{$s->{lines}});
        # where the machine stood still, all of them were silent for as long: that is no reason for another master
        $s->command('SENTINEL', 'DEBUG', 'tilt-trigger', 1000, 'tilt-period', 1000);
    }
    for my $s ($self->sentinels) {
        wait_for(sub {
            my %about = @{$s->command('SENTINEL', 'MASTER', $self->{name})};
            return $about{'num-other-sentinels'} == 2 && $about{'num-slaves'} == $replicas;
        }, 30) or die 'the sentinels do not find each other';
    }
    $self->connected;
    return $self;
}


sub name      { return $_[0]{name} }
sub nodes     { return @{$_[0]{nodes}} }
sub sentinels { return @{$_[0]{sentinels}} }
sub again     { my ($self, $node) = @_; return $node->start(@{$node->{lines}}) }


sub url {
    my ($self, $account) = @_;

    return 'sentinel://' . (defined $account ? "$account@" : '')
        . join(',', map { "$_->{address}:$_->{port}" } $self->sentinels) . "/$self->{name}";
}


sub master {
    my ($self, @asked) = @_;

    for my $s (grep { $_->{pid} } @asked ? @asked : $self->sentinels) {
        my $at = eval { $s->command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', $self->{name}) } or next;
        return (grep { $_->{address} eq $at->[0] && $_->{port} == $at->[1] } $self->nodes)[0];
    }
    return;
}


# All others follow the master.
sub connected {
    my ($self) = @_;

    wait_for(sub { !grep { my $role = $_->command('ROLE'); $role->[0] eq 'slave' && $role->[3] ne 'connected' }
        grep { $_->{pid} } $self->nodes }, 60) or die 'replicas do not connect';
    return;
}


# Each has what the master has: what it acknowledged until now survives it.
sub caught_up {
    my ($self) = @_;

    my $master = $self->master;
    my $others = grep { $_->{pid} && $_ != $master } $self->nodes;
    wait_for(sub {
        my $info = $master->command('INFO', 'replication');
        my ($offset) = $info =~ /^master_repl_offset:(\d+)/m;
        return $others == grep { $_ >= $offset } $info =~ /^slave\d+:.*state=online,offset=(\d+)/mg;
    }, 60) or die 'replicas stay behind';
    return;
}


sub failover {
    my ($self) = @_;

    my $old = $self->master;
    my $asked = ($self->sentinels)[0];
    # it is given up where the replica was not heard of just now: then the order has to be given again
    my $ordered = 0;
    return wait_for(sub {
        if (time - $ordered > 6 && $self->master($asked) == $old) {
            $asked->command('SENTINEL', 'FAILOVER', $self->{name});
            $ordered = time;
        }
        return $self->_agreed($old);
    }, 80) || die "no failover: $@";
}


# From the master that it was; all sentinels agree, and the new one knows it. Sentinels that stood still for two seconds
# take no part for half a minute.
sub moved {
    my ($self, $old) = @_;

    return wait_for(sub { $self->_agreed($old) }, 80) || die 'no failover';
}


sub _agreed {
    my ($self, $old) = @_;

    my ($new, @others) = map { $self->master($_) } grep { $_->{pid} } $self->sentinels;
    return $new != $old && !(grep { $_ != $new } @others) && $new->command('ROLE')->[0] eq 'master' && $new;
}


sub stop { $_->stop for $_[0]->sentinels, $_[0]->nodes; return }


1;
