package Fault;

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

=head1 NAME

Fault - what is broken while visitors choose, and what is counted afterwards

=head1 SYNOPSIS

    use Test::Privacy; use Fault;

    my $f = Fault->new('redis', workers => 2);      # nginx, Redis and a policy; options as of Test::Privacy
    $f->start;
    $f->write;                                      # visitors choose, in processes of their own
    for (1 .. times(100, 5)) {                      # so often in `make fault`, so often in `make test`
        $f->progress;                               # until some more choices were acknowledged
        $f->t->redis->kill; $f->t->redis->start;
    }
    $f->settle;                                     # they end when nothing is on its way any more
    $f->account('kill -9 of Redis');                # zero lost, zero duplicated, zero grants out of nothing
    $f->finish;

Every choice comes from a network of its own, and a record says from which: so each record names the one choice that it
is of. What a visitor was told is kept in a journal on the visitor's side, outside of nginx and Redis, and held against
what is found in Redis afterwards.

=head1 HOW OFTEN

C<FAULT_FULL=1> (make fault) takes the first number of C<times>, else the second (make test). C<FAULT_SCALE=0.1> takes
a tenth of either, at least one.

=cut

use strict;
use warnings;

use Exporter 'import';
use POSIX ();
use Test::More ();
use Time::HiRes qw(sleep time);

use Fault::Journal;
use Fault::Visitors;
use Test::Privacy;
use Test::Privacy::Site;

our @EXPORT = qw(times full);


sub full { return $ENV{FAULT_FULL} ? 1 : 0 }


sub times {
    my ($long, $short) = @_;

    my $n = int((full() ? $long : $short) * ($ENV{FAULT_SCALE} || 1));
    return $n < 1 ? 1 : $n;
}


# Further options: http, server (lines of configuration), redis (its URL for nginx), policy => 0 (none is published),
# store (makes in a folder, and at an address, what is there instead of a single Redis: a Test::Privacy::Sentinel or
# ::Cluster).
sub new {
    my ($class, $name, %options) = @_;

    my %own = map { $_ => delete $options{$_} } qw(http server redis policy store);
    my $t = Test::Privacy->new("fault-$name", workers => 2, %options);
    $t->{redis} = $own{store}->($t->dir, $t->address) if $own{store};
    my $self = bless { t => $t, name => $name, %own, journals => [], network => 0 }, $class;
    return $self;
}


sub t { $_[0]{t} }


# Redis (further lines of its configuration), the policy, nginx.
sub start {
    my ($self, @lines) = @_;

    my $t = $self->{t};
    $t->redis->start(@lines) if !$self->{store} && !$t->redis->pid;
    $self->_publish;
    $self->configure;
    $t->start;
    return $self;
}


sub configure {
    my ($self) = @_;

    my ($http, $server) = map { $_ // '' } @$self{qw(http server)};
    $self->{t}->config(site_conf(<<"CONF", http => $http), $self->{redis} ? (REDIS => $self->{redis}) : ());
    keepalive_requests 1000000;
    privacy_lease 2s grace=1h;
    $server
    add_header X-Consent "<\$privacy_consent>" always;
    add_header X-Subject "\$privacy_subject" always;
    add_header X-Version "\$privacy_version" always;
    location / { return 200 "<!doctype html><html><head><title>t</title></head><body><p>hello</body></html>"; }
CONF
}


# Visitors begin to choose, in so many processes of so many visitors each.
sub write {
    my ($self, %options) = @_;

    my $processes = delete $options{processes} || 2;
    for my $i (1 .. $processes) {
        my $path = sprintf '%s/journal.%d', $self->{t}->dir, ++$self->{writers};
        my $pid = fork // die "fork: $!";
        if (!$pid) {
            my $visitors = Fault::Visitors->new(
                peers => [$self->{t}->listen], journal => $path, first => $self->{writers} << 20, %options);
            eval { $visitors->choose; 1 } or print STDERR "# visitors: $@";
            POSIX::_exit($@ ? 1 : 0);
        }
        push @{$self->{journals}}, Fault::Journal->new($path, $pid);
        $self->{t}->ends_with($pid);
    }
    return $self;
}


# Until so many more choices were acknowledged; dies where nothing goes on.
sub progress {
    my ($self, $n) = @_;

    my $enough = $self->acknowledged + ($n || 5);
    wait_for(sub { $self->acknowledged >= $enough }, 30)
        or die "nobody's choice is saved any more\n" . substr $self->{t}->log, -2000;
}


# Choices that were not saved since then (a mark): after how many seconds each was turned away.

sub mark { return { map { my @entries = $_->entries; $_->pid => scalar @entries } @{$_[0]{journals}} } }

sub turned_away {
    my ($self, $mark) = @_;

    return map {
        my @entries = $_->entries;
        map { $_->[5] } grep { $_->[0] eq 'told' && $_->[2] != 200 } splice @entries, $mark->{$_->pid} // 0;
    } @{$self->{journals}};
}


# The newest subjects whose choices were saved.
sub subjects {
    my ($self, $n) = @_;

    my (@subjects, %seen);
    for my $journal (@{$self->{journals}}) {
        my @told = map { $_->[0] eq 'told' && $_->[2] == 200 ? $_->[3] : () } $journal->entries;
        push @subjects, (grep { !$seen{$_}++ } reverse @told)[0 .. $n / @{$self->{journals}}];
    }
    return grep { defined } @subjects;
}


sub acknowledged {
    my ($self) = @_;

    my $n = 0;
    $n += $_->acknowledged for @{$self->{journals}};
    return $n;
}


# The visitors end once nothing of theirs is on its way any more.
sub settle {
    my ($self) = @_;

    kill 'TERM', $_->pid for @{$self->{journals}};
    for my $journal (@{$self->{journals}}) {
        my $ended = wait_for(sub { waitpid($journal->pid, POSIX::WNOHANG()) != 0 }, 60);
        Test::More::is($ended ? $? : 'they go on', 0, 'the visitors ended, nothing is on its way any more');
    }
}


# The journals of a part that is over, for the account of a later one: the ledgers have what was written in both.
sub forget {
    my ($self) = @_;

    return [splice @{$self->{journals}}];
}


# The journals against the ledgers (Fault::Journal). ledgers: { subject => [record, ...] }, by default what is in Redis.
sub sum {
    my ($self, $ledgers, $before) = @_;

    my @journals = (@{$before || []}, @{$self->{journals}});
    return Fault::Journal::account([map { $_->entries } @journals], $ledgers // $self->ledgers);
}


# Zero lost, zero duplicated, zero grants out of nothing; returns the sum.
sub account {
    my ($self, $what, $ledgers, $before) = @_;

    my $sum = $self->sum($ledgers, $before);

    Test::More::cmp_ok($sum->{acknowledged}, '>', 0, "$what: choices were acknowledged");
    for my $wrong (qw(lost duplicated unasked unproven gaps differ)) {
        Test::More::is(scalar @{$sum->{$wrong}}, 0, "$what: $Fault::Journal::means{$wrong}")
            or Test::More::diag(join "\n", splice @{$sum->{$wrong}}, 0, 5);
    }
    Test::More::diag(sprintf '%s: %d acknowledged, %d unknown (%d of them recorded), %d records in %d ledgers',
        $what, @$sum{qw(acknowledged unknown unknown_recorded records ledgers)});
    return $sum;
}


# Every ledger in Redis, as privacyctl proves it.
sub ledgers {
    my ($self) = @_;

    my $server = $self->_whole;
    my @site = ('--site', $self->{t}->site, '--redis', $server->url);
    my @subjects = map { /\{\w+:([\w-]+)\}:ledger$/ ? $1 : () } @{$server->command('KEYS', '*:ledger')};
    return { map { $_ => $self->ledger($_, @site) } @subjects };
}


# A server that has all that is stored: for a cluster one of its own, to which it is copied.
sub _whole {
    my ($self) = @_;

    my $store = $self->{t}->redis;
    return $store->can('master') ? $store->master : $store if !$store->can('masters');

    my $copy = $self->{copy} //= Test::Privacy::Redis->new($self->{t}->dir . '/copy')->start('appendfsync no');
    $copy->command('FLUSHALL');
    for my $master ($store->masters) {
        $copy->command('RESTORE', $_, 0, $master->command('DUMP', $_)) for @{$master->command('KEYS', '*')};
    }
    return $copy;
}


# What is published is published to a single server, and for a cluster then told apart: less of what is tried is needed
# to try it.
sub _publish {
    my ($self) = @_;

    my $t = $self->{t};
    my $store = $t->redis;
    # a master that needs a replica takes nothing before it counted one, which it does once a second
    my @masters = $store->can('masters') ? $store->masters : $store->can('master') ? $store->master : ();
    wait_for(sub { !grep { $_->command('INFO', 'replication') =~ /^min_slaves_good_slaves:0/m } @masters }, 20)
        or die 'a master has no replica';
    my $server = $self->_whole;
    {
        local $ENV{LD_PRELOAD};         # is nginx's; a sanitizer has to be the first of all
        local $t->{redis} = $server;
        $t->publish($t->bundle);
    }
    return if !$store->can('masters');
    $store->node_of($_)->command('RESTORE', $_, 0, $server->command('DUMP', $_)) for @{$server->command('KEYS', '*')};
}


sub ledger {
    my ($self, $subject, @site) = @_;

    my $t = $self->{t};
    @site = ('--site', $t->site, '--redis', $self->_whole->url) if !@site;
    my ($status, $out) = $t->ctl('ledger', @site, '--keys', $t->keys_dir . '/keys',
        '--public', $t->keys_dir . '/example.pub', '--json', $subject);
    return eval { json($out)->{records} } // [{ proof => $out, granted => [], position => 1, client => '' }];
}


# A library of ours (NAME.c beside the specs) for what runs while the code does.
sub preload {
    my ($self, $name, $variable, $file, $code) = @_;

    my $library = $self->{t}->dir . "/$name.so";
    system('cc', '-shared', '-fPIC', '-O2', '-o', $library, $self->{t}->root . "/lua-free-tests/fault/$name.c") == 0
        or die "$name.c does not compile";
    local @ENV{'LD_PRELOAD', $variable} = ($library, $file);
    return $code->();
}


sub status { my ($self) = @_; return json($self->{t}->get('/status')->body) }
sub counter { my ($self, $name) = @_; return $self->status->{sites}[0]{counters}{$name} }


# One who agreed, and takes it back while something is broken: in effect at once, on the ledger once, whenever it can be.

sub agreed {
    my ($self) = @_;

    my $n = ++$self->{network};
    my $v = $self->{t}->visitor(headers => ['X-Real-IP' => join('.', 9, $n >> 8, $n & 255, 1), 'Accept-Language' => 'en']);
    # a worker that just lost its connection says so
    wait_for(sub { $v->get('/'); $v->choose('accept_all')->status == 303 }, 20) or die 'an accept is not saved';
    $v->{subject} = $v->get('/')->header('X-Subject');
    $v->get('/privacy/choices');
    return $v;
}


# Where nothing can be recorded.
sub withdraws {
    my ($self, $what, $v) = @_;

    Test::More::is($v->choose('withdraw')->status, 503, "$what: a withdrawal is not said to be recorded");
    Test::More::is($v->get('/')->header('X-Consent'), '<>', "$what: but in effect");
}


sub recorded {
    my ($self, $what, $v) = @_;

    Test::More::ok(wait_for(sub {
        $v->get('/');
        return $v->get('/privacy/choices', Accept => 'application/json')->body =~ /"pending":false/;
    }, 30), "$what: over, it is not on its way any more");
    Test::More::is(join(' ', map { $_->{how} } @{$self->ledger($v->{subject})}), 'accept_all withdraw',
        "$what: the withdrawal was recorded once");
    Test::More::is($v->get('/')->header('X-Consent'), '<>', "$what: and holds");
}


sub finish {
    my ($self) = @_;

    $self->{copy}->stop if $self->{copy};
    $self->{t}->finish;
}


1;
