#!/usr/bin/env python3
"""Synthetic but lifelike FHIR data, and the loading of it: for tests and benchmarks.

What is made follows from the seed and the count alone, whoever makes it: a foundation (a clinic
with its practitioners, questionnaires, bots with source code, files), and patients with all that is
about them, each linked to the others and to the foundation. 40 types of resources; every resource
but Binaries has a tag with its number, by which it is found again in a copy.

usage: fhir_data.py URL ID SECRET [--count N] [--seed N] [--connections N] [--how post|put]
           [--project ID]
As a client application of the project that is its admin (post: the server chooses ids, and entries
of a bundle refer to each other by urn:uuid), or as a super admin (put: with ids that follow from
the seed).
"""

import argparse
import base64
import http.client
import json
import multiprocessing
import random
import re
import sys
import time
import urllib.parse

TAGS = "urn:ramet:data"
BUNDLE_ENTRIES = 500
ATTEMPTS = 40
FOUNDATION_TYPES = (
    "Binary", "Organization", "Practitioner", "PractitionerRole", "Location", "HealthcareService",
    "Questionnaire", "PlanDefinition", "ValueSet", "CodeSystem", "Medication", "Device",
    "Schedule", "AccessPolicy", "Bot", "Subscription", "ResearchStudy", "Group")
PATIENT_TYPES = (
    "Patient", "RelatedPerson", "Coverage", "Encounter", "Condition", "Observation", "Procedure",
    "DiagnosticReport", "MedicationRequest", "AllergyIntolerance", "Immunization", "CarePlan",
    "CareTeam", "Goal", "ServiceRequest", "Specimen", "QuestionnaireResponse", "DocumentReference",
    "Communication", "Task", "Appointment", "Provenance")
TYPES = FOUNDATION_TYPES + PATIENT_TYPES
assert len(TYPES) == 40
COUNT_MIN = 500
URN = re.compile(r"urn:uuid:[0-9a-f-]{36}")

GIVEN = ("Ada Alan Barbara Carl Dorothy Edsger Emmy Evelyn Frances Grace Hedy Ida Jean John Karen "
         "Katherine Leslie Lise Margaret Maria Mary Niklaus Radia Rosalind Sophie Tim").split()
FAMILY = ("Berezin Bartik Clarke Curie Dijkstra Estrin Floyd Franklin Goldberg Hamilton Hopper "
          "Johnson Keller Lamarr Liskov Lovelace Meitner M\u00fcller Noether Perlman Rhodes "
          "Scherrer Spence Turing Wilson Wirth").split()
CITIES = (("Boston", "MA", "02114"), ("Davis", "CA", "95616"), ("Duluth", "MN", "55802"),
          ("Eugene", "OR", "97401"), ("Ithaca", "NY", "14850"), ("Reno", "NV", "89501"))
LOINC = (("8867-4", "Heart rate", "beats/min", "/min", 50, 110),
         ("8310-5", "Body temperature", "C", "Cel", 36, 40),
         ("29463-7", "Body weight", "kg", "kg", 45, 120),
         ("8302-2", "Body height", "cm", "cm", 145, 200),
         ("59408-5", "Oxygen saturation in arterial blood by pulse oximetry", "%", "%", 88, 100),
         ("2339-0", "Glucose [Mass/volume] in blood", "mg/dL", "mg/dL", 60, 240),
         ("2160-0", "Creatinine [Mass/volume] in serum or plasma", "mg/dL", "mg/dL", 1, 4),
         ("718-7", "Hemoglobin [Mass/volume] in blood", "g/dL", "g/dL", 8, 18))
SNOMED = (("44054006", "Diabetes mellitus type 2"), ("38341003", "Hypertensive disorder"),
          ("195967001", "Asthma"), ("73211009", "Diabetes mellitus"), ("271737000", "Anemia"),
          ("36971009", "Sinusitis"), ("82423001", "Chronic pain"), ("35489007", "Depression"))
DRUGS = (("860975", "metformin hydrochloride 500 MG"), ("314076", "lisinopril 10 MG"),
         ("745679", "albuterol 90 MCG"), ("197361", "amlodipine 5 MG"),
         ("312961", "simvastatin 20 MG"), ("198440", "acetaminophen 500 MG"))
PROCEDURES = (("430193006", "Medication reconciliation"), ("76601001", "Intramuscular injection"),
              ("117015009", "Throat culture"), ("23426006", "Measurement of respiration"))
VACCINES = (("140", "Influenza, seasonal"), ("113", "Td (adult)"), ("33", "Pneumococcal"))
BOT_CODE = """import {{ BotEvent, MedplumClient }} from '@medplum/core';

// Bot {number}: looks at what came in, and says what is to be done.
export async function handler(medplum: MedplumClient, event: BotEvent): Promise<unknown> {{
  const resource = event.input;
  const limit = {limit};
{lines}
  return medplum.createResource({{ resourceType: 'Task', status: 'requested', intent: 'order' }});
}}
"""


def uuid_of(dice):
    digits = "%032x" % dice.getrandbits(128)
    return "%s-%s-4%s-%s%s-%s" % (digits[:8], digits[8:12], digits[13:16],
                                  "89ab"[int(digits[16], 16) & 3], digits[17:20], digits[20:])


def seeded(seed, what):
    return random.Random("%d/%s" % (seed, what))


def coding(system, code, display):
    return {"coding": [{"system": system, "code": code, "display": display}], "text": display}


def moment(dice, first=2018, last=2026):
    return "%d-%02d-%02dT%02d:%02d:00Z" % (
        dice.randint(first, last), dice.randint(1, 12), dice.randint(1, 28), dice.randint(0, 23),
        dice.randint(0, 59))


def name_of(dice):
    given, family = dice.choice(GIVEN), dice.choice(FAMILY)
    return [{"use": "official", "family": family, "given": [given, dice.choice(GIVEN)],
             "text": "%s %s" % (given, family)}]


def address_of(dice):
    city, state, code = dice.choice(CITIES)
    return [{"line": ["%d %s Street" % (dice.randint(1, 999), dice.choice(FAMILY))], "city": city,
             "state": state, "postalCode": code, "country": "US"}]


def telecom_of(dice):
    return [{"system": "phone", "use": "home",
             "value": "555-%03d-%04d" % (dice.randrange(1000), dice.randrange(10000))},
            {"system": "email", "value": "p%d@example.org" % dice.randrange(10 ** 9)}]


def identifier_of(kind, number):
    return [{"system": "https://example.org/%s" % kind, "value": "%s-%08d" % (kind, number)}]


class Maker:
    """Resources one after the other, each with an id; references by what `refer` makes of one."""

    def __init__(self, first_number, dice, refer):
        self.number, self.dice, self.refer = first_number, dice, refer
        self.made = []  # (type, id, resource)

    def add(self, kind, **members):
        key = uuid_of(self.dice)
        resource = {"resourceType": kind,
                    "meta": {"tag": [{"system": TAGS, "code": str(self.number)}]}}
        resource.update(members)
        self.number += 1
        self.made.append((kind, key, resource))
        return {"reference": self.refer(kind, key)}


# --- the foundation ------------------------------------------------------------------------------

def binary_count(count):
    return max(12, min(count // 500, 2000))


def binary(seed, number, bots):
    """Media type and bytes of a file; the first ones are the code of bots."""
    dice = seeded(seed, "binary %d" % number)
    if number < bots:
        lines = "\n".join("  if (resource.value%d > limit) { console.log('%s'); }" % (
            i, dice.choice(FAMILY)) for i in range(dice.randint(20, 200)))
        return "text/typescript", BOT_CODE.format(
            number=number, limit=dice.randint(1, 99), lines=lines).encode()
    return "application/pdf", b"%PDF-1.4\n" + dice.randbytes(dice.randint(1_000, 60_000))


def sizes_of(count):
    """How many of each are in the foundation."""
    people = max(8, min(count // 2000, 400))
    return {"people": people, "places": max(3, people // 8), "bots": max(4, people // 20),
            "forms": max(4, people // 20)}


def foundation(seed, count, binaries, refer):
    """(type, id, resource) of all but the Binaries; `binaries`: their references, "Binary/id"."""
    sizes = sizes_of(count)
    dice = seeded(seed, "foundation")
    maker = Maker(0, dice, refer)
    add = maker.add
    lists = {kind: [] for kind in FOUNDATION_TYPES}

    def keep(kind, **members):
        reference = add(kind, **members)
        lists[kind].append(reference["reference"])
        return reference

    def any_of(kind):
        return {"reference": dice.choice(lists[kind])}

    for i in range(sizes["places"]):
        more = {"partOf": any_of("Organization")} if i else {}
        keep("Organization", name="Clinic %d" % i, active=True, address=address_of(dice),
             telecom=telecom_of(dice), identifier=identifier_of("organization", i), **more)
        keep("Location", name="Ward %d" % i, status="active",
             managingOrganization=any_of("Organization"), address=address_of(dice)[0])
        keep("HealthcareService", name="Service %d" % i, providedBy=any_of("Organization"),
             location=[any_of("Location")])
    for i in range(sizes["people"]):
        keep("Practitioner", name=name_of(dice), gender=dice.choice(("female", "male")),
             telecom=telecom_of(dice), identifier=identifier_of("npi", i), active=True)
        keep("PractitionerRole", practitioner={"reference": lists["Practitioner"][-1]},
             organization=any_of("Organization"), location=[any_of("Location")],
             code=[coding("http://snomed.info/sct", "158965000", "Medical practitioner")])
        keep("Schedule", actor=[{"reference": lists["Practitioner"][-1]}],
             planningHorizon={"start": moment(dice, 2026), "end": "2027-12-31T00:00:00Z"})
    for i in range(sizes["forms"]):
        keep("Questionnaire", status="active", title="Form %d" % i, name="Form%d" % i,
             url="https://example.org/forms/%d" % i, subjectType=["Patient"],
             item=[{"linkId": str(n), "type": "string", "text": "Question %d of %s?" % (
                 n, dice.choice(SNOMED)[1])} for n in range(dice.randint(5, 25))])
        keep("PlanDefinition", status="active", title="Plan %d" % i,
             action=[{"title": "Fill in a form", "definitionCanonical":
                      "https://example.org/forms/%d" % i}])
        keep("CodeSystem", status="active", url="https://example.org/codes/%d" % i,
             content="complete", concept=[{"code": "c%d" % n, "display": dice.choice(FAMILY)}
                                          for n in range(30)])
        keep("ValueSet", status="active", url="https://example.org/values/%d" % i,
             compose={"include": [{"system": "https://example.org/codes/%d" % i}]})
    for code, display in DRUGS:
        keep("Medication", status="active",
             code=coding("http://www.nlm.nih.gov/research/umls/rxnorm", code, display))
    for i in range(sizes["places"]):
        keep("Device", status="active", owner=any_of("Organization"),
             location=any_of("Location"), serialNumber="%012d" % dice.randrange(10 ** 12),
             deviceName=[{"name": "Monitor %d" % i, "type": "user-friendly-name"}])
    for i in range(sizes["bots"]):
        keep("Bot", name="Bot %d" % i, runtimeVersion="vmcontext",
             sourceCode={"contentType": "text/typescript", "title": "index.ts",
                         "url": binaries[i]})
        keep("Subscription", status="active", reason="Bot %d" % i,
             criteria="Encounter?service-provider=%s" % any_of("Organization")["reference"],
             channel={"type": "rest-hook", "endpoint": lists["Bot"][-1]})
    keep("AccessPolicy", name="Readers", resource=[
        {"resourceType": kind, "readonly": True} for kind in PATIENT_TYPES])
    keep("ResearchStudy", status="active", title="A study",
         principalInvestigator=any_of("Practitioner"), sponsor=any_of("Organization"))
    keep("Group", type="practitioner", actual=True, name="Everybody",
         member=[{"entity": {"reference": one}} for one in lists["Practitioner"][:200]])
    lists["Binary"] = binaries[sizes["bots"]:]
    return maker.made, lists


# --- patients ------------------------------------------------------------------------------------

OF_PATIENT, OF_VISIT = 9, 12  # resources, beside those of visits, and observations


def shape_of(seed, number):
    """Of a unit: for each visit, how many observations are made."""
    mixed = (number * 2654435761 + seed * 40503 + 12345) % (1 << 32)
    mixed ^= mixed >> 15
    return [3 + (mixed >> (5 + 4 * i)) % 7 for i in range(2 + mixed % 4)]


def unit_size(seed, number):
    return OF_PATIENT + sum(OF_VISIT + seen for seen in shape_of(seed, number))


def unit(seed, number, first_number, lists, refer):
    """A patient with what is about them: (type, id, resource), each after what it refers to."""
    dice = seeded(seed, "unit %d" % number)
    maker = Maker(first_number, dice, refer)
    add = maker.add

    def any_of(kind):
        return {"reference": dice.choice(lists[kind])}

    patient = add("Patient", name=name_of(dice), gender=dice.choice(("female", "male", "other")),
                  birthDate="%d-%02d-%02d" % (dice.randint(1930, 2020), dice.randint(1, 12),
                                              dice.randint(1, 28)),
                  address=address_of(dice), telecom=telecom_of(dice), active=True,
                  identifier=identifier_of("mrn", number),
                  managingOrganization=any_of("Organization"),
                  generalPractitioner=[any_of("Practitioner")])
    relative = add("RelatedPerson", patient=patient, name=name_of(dice), telecom=telecom_of(dice))
    add("Coverage", status="active", beneficiary=patient, subscriber=relative,
        payor=[any_of("Organization")], subscriberId="%09d" % dice.randrange(10 ** 9))
    team = add("CareTeam", status="active", subject=patient, participant=[
        {"member": any_of("Practitioner")}, {"member": relative},
        {"member": any_of("Organization")}])
    goal = add("Goal", lifecycleStatus="active", subject=patient,
               description={"text": "Less %s" % dice.choice(SNOMED)[1].lower()})
    add("CarePlan", status="active", intent="plan", subject=patient, careTeam=[team], goal=[goal],
        author=any_of("Practitioner"))
    add("AllergyIntolerance", patient=patient, recorder=any_of("Practitioner"),
        code={"text": dice.choice(("Peanut", "Latex", "Penicillin"))},
        clinicalStatus=coding("http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical",
                              "active", "Active"))
    add("Immunization", status="completed", patient=patient, occurrenceDateTime=moment(dice),
        vaccineCode=coding("http://hl7.org/fhir/sid/cvx", *dice.choice(VACCINES)),
        performer=[{"actor": any_of("Practitioner")}], location=any_of("Location"))
    for observations in shape_of(seed, number):
        visit(dice, add, any_of, patient, observations)
    add("Provenance", target=[patient], recorded=moment(dice),
        agent=[{"who": any_of("Practitioner"), "onBehalfOf": any_of("Organization")}])
    return maker.made


def visit(dice, add, any_of, patient, observations):
    when = moment(dice)
    doctor = any_of("Practitioner")
    appointment = add("Appointment", status="fulfilled", start=when, end=when, participant=[
        {"actor": patient, "status": "accepted"}, {"actor": doctor, "status": "accepted"}])
    encounter = add("Encounter", status="finished", subject=patient, appointment=[appointment],
                    period={"start": when, "end": when}, serviceProvider=any_of("Organization"),
                    participant=[{"individual": doctor}], location=[
                        {"location": any_of("Location")}],
                    **{"class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                                 "code": "AMB"}})
    code, display = dice.choice(SNOMED)
    condition = add("Condition", subject=patient, encounter=encounter, asserter=doctor,
                    code=coding("http://snomed.info/sct", code, display), onsetDateTime=when,
                    clinicalStatus=coding(
                        "http://terminology.hl7.org/CodeSystem/condition-clinical", "active",
                        "Active"))
    order = add("ServiceRequest", status="active", intent="order", subject=patient,
                encounter=encounter, requester=doctor, reasonReference=[condition],
                authoredOn=when)
    specimen = add("Specimen", subject=patient, request=[order],
                   collection={"collector": doctor, "collectedDateTime": when})
    results = []
    for _ in range(observations):
        loinc, display, unit_name, unit_code, low, high = dice.choice(LOINC)
        results.append(add(
            "Observation", status="final", subject=patient, encounter=encounter,
            performer=[doctor], effectiveDateTime=when, specimen=specimen, basedOn=[order],
            category=[coding("http://terminology.hl7.org/CodeSystem/observation-category",
                             "laboratory", "Laboratory")],
            code=coding("http://loinc.org", loinc, display),
            valueQuantity={"value": round(dice.uniform(low, high), 1), "unit": unit_name,
                           "system": "http://unitsofmeasure.org", "code": unit_code}))
    add("DiagnosticReport", status="final", subject=patient, encounter=encounter,
        performer=[doctor], result=results, specimen=[specimen], effectiveDateTime=when,
        code={"text": "Panel"}, conclusion="Within what is to be expected for %s." % display)
    add("Procedure", status="completed", subject=patient, encounter=encounter,
        performer=[{"actor": doctor}], reasonReference=[condition], performedDateTime=when,
        code=coding("http://snomed.info/sct", *dice.choice(PROCEDURES)))
    add("MedicationRequest", status="active", intent="order", subject=patient,
        encounter=encounter, requester=doctor, medicationReference=any_of("Medication"),
        authoredOn=when, reasonReference=[condition],
        dosageInstruction=[{"text": "%d times a day" % dice.randint(1, 4)}])
    add("QuestionnaireResponse", status="completed", subject=patient, encounter=encounter,
        source=patient, authored=when,
        questionnaire="https://example.org/forms/%d" % dice.randrange(4),
        item=[{"linkId": str(n), "answer": [{"valueString": dice.choice(FAMILY)}]}
              for n in range(dice.randint(3, 12))])
    add("DocumentReference", status="current", subject=patient, author=[doctor],
        context={"encounter": [encounter]}, date=when, content=[{"attachment": {
            "contentType": "application/pdf", "title": "report.pdf",
            "url": any_of("Binary")["reference"]}}])
    add("Communication", status="completed", subject=patient, encounter=encounter, sender=doctor,
        recipient=[patient], sent=when, basedOn=[order],
        payload=[{"contentString": "Your %s is ready." % display.lower()}])
    add("Task", status="requested", intent="order", focus=order, encounter=encounter,
        requester=doctor, owner=any_of("Practitioner"), authoredOn=when, **{"for": patient})


# --- loading -------------------------------------------------------------------------------------

class Connection:
    """One connection to a server, kept; what is told to come again does."""

    def __init__(self, url, client_id, secret):
        parts = urllib.parse.urlsplit(url)
        self.host = parts.netloc
        pair = base64.b64encode(("%s:%s" % (client_id, secret)).encode()).decode()
        self.headers = {"Authorization": "Basic " + pair, "X-Medplum": "extended",
                        "Content-Type": "application/fhir+json"}
        self.connection = None

    def ask(self, method, path, body=None, headers=None):
        """(status, fields, bytes)."""
        for attempt in range(ATTEMPTS):
            if self.connection is None:
                self.connection = http.client.HTTPConnection(self.host, timeout=600)
            self.connection.request(method, path, body, dict(self.headers, **(headers or {})))
            answer = self.connection.getresponse()
            content = answer.read()
            if answer.status not in (409, 429, 503):
                return answer.status, answer.headers, content
            time.sleep(min(0.01 * 1.3 ** attempt, 1))
        raise AssertionError("%s %s: %d %s" % (method, path, answer.status, content[:500]))

    def json(self, method, path, body=None, expect=(200, 201), **headers):
        text = None if body is None else json.dumps(body)
        status, _, content = self.ask(method, path, text, headers)
        assert status in expect, "%s %s: %d %s" % (method, path, status, content[:2000])
        return json.loads(content) if content else None

    def close(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None


def default_client(root, project):
    """The id and a new secret of the client that a project is made with, an admin of it."""
    found = root.json("GET", "/fhir/R4/ClientApplication?_project=" + project)
    for entry in found["entry"]:
        client = entry["resource"]
        if client["name"].endswith(" Default Client"):
            path = "/fhir/R4/ClientApplication/%s/$rotate-secret" % client["id"]
            return client["id"], root.json("POST", path, {})["secret"]
    raise AssertionError("the project has no default client")


class Loader:
    def __init__(self, url, client_id, secret, count, seed=1, how="post", project=None):
        assert count >= COUNT_MIN, "at least %d resources" % COUNT_MIN
        assert how == "post" or project, "by put only into a project that is named"
        self.url, self.client_id, self.secret = url, client_id, secret
        self.count, self.seed, self.how, self.project = count, seed, how, project

    def connect(self):
        return Connection(self.url, self.client_id, self.secret)

    def refer(self, kind, key):
        return "urn:uuid:" + key if self.how == "post" else "%s/%s" % (kind, key)

    def write(self, connection, made):
        """One bundle; the references of what was written, in its order."""
        entries = []
        for kind, key, resource in made:
            if self.how == "post":
                entries.append({"fullUrl": "urn:uuid:" + key, "resource": resource,
                                "request": {"method": "POST", "url": kind}})
            else:
                resource["id"] = key
                resource["meta"]["project"] = self.project
                entries.append({"resource": resource,
                                "request": {"method": "PUT", "url": "%s/%s" % (kind, key)}})
        # (A super admin writes into another project than their own: that is no transaction, and
        # entries may be told to come again, each by itself.)
        out = [None] * len(made)
        left = list(range(len(made)))
        for attempt in range(ATTEMPTS):
            bundle = {"resourceType": "Bundle", "entry": [entries[at] for at in left],
                      "type": "transaction" if self.how == "post" else "batch"}
            answer = connection.json("POST", "/fhir/R4", bundle, Prefer="return=minimal")
            assert len(answer["entry"]) == len(left)
            again = []
            for at, entry in zip(left, answer["entry"]):
                response = entry["response"]
                if response["status"][:3] in ("409", "429", "503"):
                    again.append(at)
                    continue
                assert response["status"].startswith("201"), (made[at][0], response)
                parts = response["location"].split("/_history")[0].split("/")
                out[at] = "/".join(parts[-2:])
            if not again:
                return out
            left = again
            time.sleep(0.01 * (attempt + 1))
        raise AssertionError("%d entries are refused again and again" % len(left))

    def write_binary(self, connection, number):
        media, content = binary(self.seed, number, sizes_of(self.count)["bots"])
        if self.how == "put":
            key = uuid_of(seeded(self.seed, "binary id %d" % number))
            answer = connection.json("PUT", "/fhir/R4/Binary/" + key, {
                "resourceType": "Binary", "id": key, "contentType": media,
                "data": base64.b64encode(content).decode(), "meta": {"project": self.project}})
            return "Binary/" + answer["id"]
        status, _, body = connection.ask("POST", "/fhir/R4/Binary", content,
                                         {"Content-Type": media})
        assert status == 201, (status, body[:500])
        return "Binary/" + json.loads(body)["id"]

    def load(self, connections=4, progress=None):
        """Counts by type."""
        total = binary_count(self.count)
        slices = [range(i, total, connections) for i in range(connections)]
        binaries = [None] * total
        for numbers, made in zip(slices, self.in_processes(_binaries, slices)):
            for number, reference in zip(numbers, made):
                binaries[number] = reference
        made, lists = foundation(self.seed, self.count, binaries, self.refer)
        counts = {"Binary": total}
        for kind, _, _ in made:
            counts[kind] = counts.get(kind, 0) + 1
        # (In one bundle, as they refer to each other; then those with references within a text.)
        connection = self.connect()
        final = {}
        for later in (False, True):
            some = [one for one in made if (one[0] == "Subscription") == later]
            if later:
                some = [(kind, key, json.loads(URN.sub(
                    lambda found: final.get(found.group(), found.group()), json.dumps(resource))))
                    for kind, key, resource in some]
            final.update(zip((self.refer(kind, key) for kind, key, _ in some),
                             self.write(connection, some)))
        connection.close()
        lists = {kind: [final.get(one, one) for one in refs] for kind, refs in lists.items()}
        left = self.count - total - len(made)
        assert left > 0, "the count is less than what the foundation needs"
        jobs = self.plan(left, len(made), connections)
        done = multiprocessing.get_context("fork").Value("q", 0)
        for some in self.in_processes(_units, [(job, lists, done, progress) for job in jobs]):
            for kind, number in some.items():
                counts[kind] = counts.get(kind, 0) + number
        assert sum(counts.values()) == self.count, (counts, self.count)
        return counts

    def plan(self, left, first_number, connections):
        """For each connection: (unit, number of its first resource, how many of it)."""
        jobs = [[] for _ in range(connections)]
        number = 0
        while left > 0:
            size = min(unit_size(self.seed, number), left)
            jobs[number // 8 % connections].append((number, first_number, size))
            first_number += size
            left -= size
            number += 1
        return jobs

    def in_processes(self, work, inputs):
        context = multiprocessing.get_context("fork")
        running = []
        for one in inputs:
            here, there = context.Pipe(False)
            process = context.Process(target=_run, args=(work, self, one, there), daemon=True)
            process.start()
            there.close()
            running.append((process, here))
        out = []
        try:
            for process, here in running:
                ok, result = here.recv()
                assert ok, result
                out.append(result)
                process.join()
        except EOFError:
            raise AssertionError("a loading process ended by itself")
        finally:
            for process, _ in running:
                if process.is_alive():
                    process.kill()
        return out


def _run(work, loader, one, pipe):
    try:
        pipe.send((True, work(loader, one)))
    except BaseException as error:
        pipe.send((False, "%s: %s" % (type(error).__name__, error)))


def _binaries(loader, numbers):
    connection = loader.connect()
    return [loader.write_binary(connection, number) for number in numbers]


def _units(loader, job):
    units, lists, done, progress = job
    connection = loader.connect()
    counts = {}
    waiting = []

    def flush():
        loader.write(connection, waiting)
        with done.get_lock():
            done.value += len(waiting)
            if progress and done.value % (BUNDLE_ENTRIES * 40) < len(waiting):
                progress(done.value)
        waiting.clear()

    for number, first_number, size in units:
        made = unit(loader.seed, number, first_number, lists, loader.refer)
        assert len(made) == unit_size(loader.seed, number)
        for one in made[:size]:
            counts[one[0]] = counts.get(one[0], 0) + 1
            waiting.append(one)
        if len(waiting) >= BUNDLE_ENTRIES:
            flush()
    if waiting:
        flush()
    return counts


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("id", help="of the client application, or the super admin's name")
    parser.add_argument("secret")
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--how", choices=("post", "put"), default="post")
    parser.add_argument("--project", help="where to put it, as a super admin")
    options = parser.parse_args()
    loader = Loader(options.url, options.id, options.secret, options.count, options.seed,
                    options.how, options.project)
    began = time.monotonic()
    counts = loader.load(options.connections, lambda done: print(
        "\r%d resources" % done, end="", file=sys.stderr, flush=True))
    print(file=sys.stderr)
    print(json.dumps({"counts": counts, "seconds": round(time.monotonic() - began, 1)}))


if __name__ == "__main__":
    main()
