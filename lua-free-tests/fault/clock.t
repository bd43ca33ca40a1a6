#!/usr/bin/perl

# Copyright (C) ngx_privacy_module authors
# SPDX-License-Identifier: BSD-2-Clause

# The clock of the machine that nginx runs on jumps by an hour and by a year, ahead and back, while visitors choose: pages
# are served, what was refused stays refused, what was granted is not trusted until it was looked up again, the version in
# force stays, and what was acknowledged is there afterwards.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib", "$FindBin::Bin/../../t/lib";
use Test::More;
use Test::Privacy;
use Time::HiRes qw(sleep time);
use Fault;

# Records are kept no longer than the choice holds: an expiry by the wrong clock would lie in the past.
my $f = Fault->new('clock', workers => 2, server => 'privacy_proof_days 0;');
my ($t, $redis) = ($f->t, $f->t->redis);
my $clock = $t->dir . '/clock';
spew($clock, pack 'q', 0);
chmod 0644, $clock;
sub shift_clock { open my $out, '+<:raw', $clock or die $!; syswrite $out, pack 'q', $_[0]; close $out }

$redis->start;
$f->preload('clock', 'FAULT_CLOCK', $clock, sub { $f->start });
$f->write(pause => 0.01);
$f->progress;

# Each worker goes by the clock that is ahead by so much
sub goes_by { my ($ahead) = @_; return $t->each_worker(sub { abs($_[0]{node}{time} - time - $ahead) < 10 }) }
sub visitor { return $t->visitor(headers => ['X-Real-IP' => '9.200.' . ++$f->{network} . '.1', 'Accept-Language' => 'en']) }
sub consent { return $_[0]->get('/')->header('X-Consent') }

# The newest version is of this year: with the clock a year back, it would not have come yet.
$t->publish($t->bundle(version => '2026-02-01', changes => [
    { kind => 'editorial', purposes => [], summary => { 'zh-CN' => '修订', en => 'Revised.' } }]));
ok($t->each_worker(sub { $_[0]{sites}[0]{version} eq '2026-02-01' }), 'a version is in force');

my ($agreed, $refused) = ($f->agreed, visitor());
$refused->get('/');
is($refused->choose('reject_all')->status, 303, 'one refused');

# A form that Redis lost is stored again with a choice on it, a minute after it was

sub choose { my $v = visitor(); $v->get('/'); return $v->choose('accept_all')->status }
sub forms { return scalar @{$redis->command('KEYS', 'privacy:example:form:*')} }
ok(wait_for(sub { choose() == 303 && forms() }, 20), 'the form is stored');
$redis->command('DEL', @{$redis->command('KEYS', 'privacy:example:form:*')});
shift_clock(61);
ok(goes_by(61), 'a minute later');
is(choose(), 303, '... a choice on it');
cmp_ok(forms(), '>', 0, '... stores it again');
shift_clock(0);
ok(goes_by(0), 'the clock is right again');

my %jumps = ('an hour ahead' => 3600, 'an hour back' => -3600, 'a year ahead' => 31_536_000, 'a year back' => -31_536_000);
for my $jump (sort { $jumps{$a} <=> $jumps{$b} } keys %jumps) {
    my $before = $redis->command('HLEN', "privacy:{example:$agreed->{subject}}:ledger");
    shift_clock($jumps{$jump});
    ok(goes_by($jumps{$jump}), "$jump: nginx goes by that clock");

    is(consent($refused), '<>', "$jump: who refused has refused");
    unlike(consent($agreed), qr/profile/, "$jump: nothing is granted that never was");
    is($t->get('/')->status, 200, "$jump: pages are served");
    is($t->get('/')->header('X-Version'), '2026-02-01', "$jump: the same version is in force");

    my $new = visitor();
    $new->get('/');
    is($new->choose('accept_all')->status, 303, "$jump: a choice is saved");
    ok(wait_for(sub { consent($new) eq '<analytics,marketing>' }, 20), "$jump: and holds");
    my $subject = $new->get('/')->header('X-Subject');
    is($redis->command('HLEN', "privacy:{example:$subject}:ledger"), 1, "$jump: it is on the ledger");
    cmp_ok($redis->command('TTL', "privacy:{example:$subject}:ledger"), '>', 170 * 86_400, "$jump: which is kept its time");
    $new->get('/privacy/choices');
    is($new->choose('withdraw')->status, 303, "$jump: it can be withdrawn");
    is($redis->command('HLEN', "privacy:{example:$subject}:ledger"), 2, "$jump: which is on the ledger");
    $f->progress(times(200, 10));
    ok(wait_for(sub { consent($agreed) eq '<analytics,marketing>' }, 20), "$jump: who accepted was looked up by that clock")
        if $jump eq 'an hour ahead';

    shift_clock(0);
    ok(goes_by(0), "$jump: the clock is right again");
    ok(wait_for(sub { consent($agreed) eq '<analytics,marketing>' }, 20), "$jump: who accepted has accepted");
    is(consent($refused), '<>', "$jump: who refused has refused");
    is($redis->command('HLEN', "privacy:{example:$agreed->{subject}}:ledger"), $before, "$jump: and nobody wrote for them");
    is(consent($new), '<>', "$jump: what was withdrawn is");
    $f->progress(times(200, 10));
}

# whose state was looked up just before the last jump is not looked up again for 5 s
sleep 5;
$f->settle;
$f->account('a clock that jumps');
$f->finish;
