package Test::Privacy::Cluster;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# A Redis Cluster: new(DIR, masters => 3, replicas => 0, address => '127.0.0.1', lines => [...]); encrypted with
# lines that name certificates, and tls => what redis-cli needs to show its own. hosts => [[ADDRESS, words before a
# command], ...]: its servers are on these, in turn.
#
#   url(USER:PASSWORD)    for privacy_redis and privacyctl
#   nodes, masters        Test::Privacy::Redis each, with {address} and {port}
#   node_of(KEY)          the master that has it, or that NODE, given behind it, believes to have it; slot(KEY)
#   move(SLOT, NODE)      there, a key at a time; BETWEEN, when given, is called while the slot is on its way, and MOVED,
#                         behind it, when its keys are there and nobody was told yet
#   failover(NODE)        a replica of the master NODE takes over; returns it
#   add(N)                a master more, without slots, and N replicas of it; returns the master
#   again(NODE)           starts one that was killed
#   ready                 waits until all that run agree; stop

use strict;
use warnings;

use Test::Privacy::Servers qw(node ports wait_for);


sub new {
    my ($class, $dir, %options) = @_;

    my $masters = $options{masters} // 3;
    my $address = $options{address} // '127.0.0.1';
    my $n = $masters * (1 + ($options{replicas} // 0));
    my @hosts = @{$options{hosts} // [[$address]]};
    my @ports = $options{hosts} ? (6379 .. 6378 + $n, 16379 .. 16378 + $n) : ports($address, 2 * $n);
    my $self = bless { nodes => [], address => $address, dir => $dir, options => \%options }, $class;
    my @nodes = map { $self->_node($hosts[$_ % @hosts], @ports[$_, $n + $_]) } 0 .. $n - 1;

    my $auth = $options{password} ? "-a $options{password} --no-auth-warning" : '';
    $auth .= " --tls --insecure $options{tls}" if $options{tls};
    my $out = qx(redis-cli $auth --cluster create @{[map { "$_->{address}:$_->{port}" } @nodes]} --cluster-yes \\
        --cluster-replicas @{[$options{replicas} // 0]} 2>&1);
    die "no cluster: $out" if $?;
    $self->ready;
    return $self;
}


sub _node {
    my ($self, $host, $port, $bus) = @_;

    my %options = %{$self->{options}};
    push @{$self->{nodes}}, node("$self->{dir}/node" . @{$self->{nodes}}, $host, $port, 'cluster-enabled yes',
        "cluster-port $bus", "cluster-announce-ip $host->[0]", 'cluster-node-timeout ' . ($options{timeout} // 2500),
        'cluster-require-full-coverage no', 'cluster-allow-replica-migration no', @{$options{lines} // []});
    # servers are told apart by it: the port that they name depends on how they are asked (TLS or not, Redis 7.2)
    $self->id($self->{nodes}[-1]);
    return $self->{nodes}[-1];
}


sub nodes   { return @{$_[0]{nodes}} }
sub running { return grep { $_->{pid} } $_[0]->nodes }
sub masters { return grep { $_->command('ROLE')->[0] eq 'master' } $_[0]->running }


sub ready {
    my ($self) = @_;

    my @nodes = $self->running;
    for my $node (@nodes) {
        wait_for(sub {
            my $info = $node->command('CLUSTER', 'INFO');
            my ($state, $slots, $known) = map { $info =~ /^cluster_$_:(\w+)/m } qw(state slots_ok known_nodes);
            return $state eq 'ok' && $slots == 16384 && $known == $self->nodes;
        }, 30) or die "the cluster does not come together: " . $node->command('CLUSTER', 'INFO');
    }
    for my $node (@nodes) {
        wait_for(sub { my $role = $node->command('ROLE'); $role->[0] ne 'slave' || $role->[3] eq 'connected' }, 30)
            or die 'a replica does not connect';
    }
    wait_for(sub {
        my %tables = map { join(' ', map { "@$_[0, 1] $_->[2][1]" } sort { $a->[0] <=> $b->[0] }
            @{$_->command('CLUSTER', 'SLOTS')}) => 1 } $self->running;
        return keys %tables == 1;
    }, 30) or die 'the servers do not agree on their slots';
    return;
}


sub url {
    my ($self, $account) = @_;

    return 'cluster://' . (defined $account ? "$account@" : '')
        . join ',', map { "$_->{address}:$_->{port}" } $self->nodes;
}


sub slot { my ($self, $key) = @_; return ($self->running)[0]->command('CLUSTER', 'KEYSLOT', $key) }
sub id   { my ($self, $node) = @_; return $node->{id} //= $node->command('CLUSTER', 'MYID') }


sub node_of {
    my ($self, $key, $asked) = @_;

    my $slot = $key =~ /^\d+$/ ? $key : $self->slot($key);
    for my $range (@{($asked // ($self->masters)[0])->command('CLUSTER', 'SLOTS')}) {
        next if $slot < $range->[0] || $slot > $range->[1];
        my ($node) = grep { $self->id($_) eq $range->[2][2] } $self->nodes;
        return $node;
    }
    return;
}


sub move {
    my ($self, $slot, $to, $between, $moved) = @_;

    my $from = $self->node_of($slot);
    return if $from == $to;
    $to->command('CLUSTER', 'SETSLOT', $slot, 'IMPORTING', $self->id($from));
    $from->command('CLUSTER', 'SETSLOT', $slot, 'MIGRATING', $self->id($to));
    $between->() if $between;
    while (my ($key) = @{$from->command('CLUSTER', 'GETKEYSINSLOT', $slot, 1)}) {
        $from->command('MIGRATE', $to->{address}, $to->{port}, $key, 0, 5000);
    }
    $moved->() if $moved;
    # who takes a slot has to know the epoch of who gives it: else its own may not become the greater one, and old news
    # of the giver undo the move
    $self->_epochs($to);
    # told to all masters; what they hear of each other for a while may be older
    my @masters = $self->masters;
    $_->command('CLUSTER', 'SETSLOT', $slot, 'NODE', $self->id($to)) for $to, $from,
        grep { $_ != $to && $_ != $from } @masters;
    wait_for(sub { !grep { $self->node_of($slot, $_) != $to } @masters }, 20) or die "slot $slot does not settle";
    return;
}


# That the others are in, as NODE knows it, is theirs.
sub _epochs {
    my ($self, $node) = @_;

    my %own = map { $self->id($_) => $_->command('CLUSTER', 'INFO') =~ /^cluster_my_epoch:(\d+)/m } $self->masters;
    wait_for(sub {
        my %known = map { (split)[0, 6] } split /\n/, $node->command('CLUSTER', 'NODES');
        return !grep { $known{$_} != $own{$_} } keys %own;
    }, 20) or die 'the servers do not hear of each other';
    return;
}


sub failover {
    my ($self, $master) = @_;

    my ($replica) = grep { my $role = $_->command('ROLE');
        $role->[0] eq 'slave' && $role->[2] == $master->{port} } $self->running;
    die 'no replica' if !$replica;
    # none is voted for soon after another one was: then the order is forgotten, and has to be given again
    my $ordered = 0;
    wait_for(sub {
        return 1 if $replica->command('ROLE')->[0] eq 'master';
        $replica->command('CLUSTER', 'FAILOVER') if time - $ordered > 6;
        $ordered = time if time - $ordered > 6;
        return 0;
    }, 30) or die 'no failover';
    return $replica;
}


sub add {
    my ($self, $n) = @_;

    my $first = ($self->running)[0];
    my @new = map { $self->_node([$self->{address}], ports($self->{address}, 2)) } 0 .. $n;
    $first->command('CLUSTER', 'MEET', $_->{address}, $_->{port}, map { /^cluster-port (\d+)/ } @{$_->{lines}}) for @new;
    my ($master, @replicas) = @new;
    for my $replica (@replicas) {
        wait_for(sub { $replica->command('CLUSTER', 'REPLICATE', $self->id($master)) }, 20) or die 'no replica';
    }
    $self->ready;
    return $master;
}


sub again { my ($self, $node) = @_; return $node->start(@{$node->{lines}}) }
sub stop  { $_->stop for $_[0]->nodes; return }


1;
